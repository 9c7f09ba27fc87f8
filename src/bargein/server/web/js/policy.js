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
    this.places.presets.append(button);
    this.buttons.set(name, button);
  }

  addSlider({ name, about, unit, slider }) {
    const { label, lowest: min, highest: max, step } = slider;
    const row = document.createElement("label");
    row.className = "slider";
    row.title = about;
    const input = Object.assign(document.createElement("input"), { type: "range", min, max, step });
    const output = document.createElement("output");
    const text = document.createElement("span");
    text.textContent = label;
    const show = () => (output.textContent = unit === "ms" ? `${input.value} ms` : input.value);
    input.oninput = show;
    input.onchange = () => this.change({ settings: { [name]: Number(input.value) } });
    row.append(text, output, input);
    this.places.sliders.append(row);
    this.inputs.set(name, { input, show });
  }

  choose(preset) {
    this.take(this.presets[preset] ?? { preset });
    this.change({ policy: preset });
  }

  // numbers: of the policy in force, by name, the preset's name among them.
  take(numbers) {
    for (const [name, button] of this.buttons) button.setAttribute("aria-checked", String(name === numbers.preset));
    for (const [name, { input, show }] of this.inputs) {
      if (numbers[name] === undefined || numbers[name] === null) continue;
      input.value = numbers[name];
      show();
    }
  }
}
