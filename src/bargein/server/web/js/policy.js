// Presets and sliders. Which numbers have a slider, their ranges and their values come from the server (GET /policy).

export class PolicyPanel {
  constructor({ presets, sliders, change }) {
    this.places = { presets, sliders };
    this.change = change;
    this.presets = {}; // name -> every number
    this.buttons = new Map();
    this.inputs = new Map();
  }

  // ask(path): fetches JSON from the server.
  async open(ask) {
    const { presets, numbers } = await ask("policy");
    this.presets = presets;
    for (const name of Object.keys(presets)) this.addPreset(name);
    for (const number of numbers) if (number.slider) this.addSlider(number);
    this.take(presets.balanced);
  }

  addPreset(name) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.setAttribute("role", "radio");
    button.onclick = () => this.choose(name);
    button.onkeydown = (e) => this.move(e, name);
    this.places.presets.append(button);
    this.buttons.set(name, button);
  }

  addSlider({ name, about, unit, slider }) {
    const { label, lowest: min, highest: max, step } = slider;
    const id = `number-${name}`;
    const row = document.createElement("label");
    row.className = "slider";
    row.title = about;
    row.htmlFor = id; // else it is the output's, which comes first
    const input = Object.assign(document.createElement("input"), { id, type: "range", min, max, step });
    const output = document.createElement("output");
    output.setAttribute("for", id);
    const text = Object.assign(document.createElement("span"), { id: `${id}-name`, textContent: label });
    input.setAttribute("aria-labelledby", text.id);
    // The number itself, which may lie between two steps, or beyond the slider's ends.
    const show = (value) => {
      output.textContent = unit === "ms" ? `${value} ms` : String(value);
      input.setAttribute("aria-valuetext", output.textContent);
    };
    input.oninput = () => show(input.value);
    input.onchange = () => this.change({ settings: { [name]: Number(input.value) } });
    row.append(text, output, input);
    this.places.sliders.append(row);
    this.inputs.set(name, { input, show });
  }

  // As a group of radio buttons: one stop for Tab, and arrows within.
  move(e, name) {
    const names = [...this.buttons.keys()];
    const at = names.indexOf(name);
    const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: names.length - 1 }[e.key];
    if (to === undefined || e.altKey || e.ctrlKey || e.metaKey) return;
    e.preventDefault();
    const next = names[(to + names.length) % names.length];
    this.choose(next);
    this.buttons.get(next).focus();
  }

  choose(preset) {
    this.take(this.presets[preset] ?? { preset });
    this.change({ policy: preset });
  }

  // numbers: of the policy in force, by name, the preset's name among them.
  take(numbers) {
    const chosen = this.buttons.has(numbers.preset) ? numbers.preset : null;
    const stop = chosen ?? [...this.buttons.keys()][0]; // numbers of no preset: the first takes the focus
    for (const [name, button] of this.buttons) {
      button.setAttribute("aria-checked", String(name === chosen));
      button.tabIndex = name === stop ? 0 : -1;
    }
    for (const [name, { input, show }] of this.inputs) {
      if (numbers[name] === undefined || numbers[name] === null) continue;
      input.value = numbers[name];
      show(numbers[name]);
    }
  }
}
