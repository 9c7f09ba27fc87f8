// Presets and sliders. The numbers, and their values, come from the server.

const SHOWN = [
  ["confirm_ms", "Speech that cuts", 0, 1200, 20, "ms"],
  ["alone_ms", "The same, where no words are read", 0, 1500, 20, "ms"],
  ["hold_windows", "Windows of speech that hold", 1, 5, 1, ""],
  ["hold_threshold", "Evidence that holds", 0.1, 0.9, 0.05, ""],
  ["decide_threshold", "Evidence that counts as speech", 0.1, 0.95, 0.05, ""],
  ["doubt_ms", "Doubtful speech that cuts", 300, 3000, 50, "ms"],
  ["verdict_timeout_ms", "Wait for words after it", 100, 2000, 50, "ms"],
  ["echo_guard_ms", "Echo guard", 0, 1500, 50, "ms"],
  ["min_words", "Words that cut", 1, 5, 1, ""],
  ["end_of_turn_ms", "Quiet that ends your turn", 200, 2000, 50, "ms"],
];

export class PolicyPanel {
  constructor({ presets, sliders, change }) {
    this.change = change;
    this.inputs = new Map();
    this.preset = "balanced";
    this.buttons = ["instant", "balanced", "patient"].map((name) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      button.setAttribute("role", "radio");
      button.onclick = () => this.choose(name);
      presets.append(button);
      return [name, button];
    });
    for (const [name, label, min, max, step, unit] of SHOWN) {
      const row = document.createElement("label");
      row.className = "slider";
      const input = Object.assign(document.createElement("input"), { type: "range", min, max, step });
      const output = document.createElement("output");
      const text = document.createElement("span");
      text.textContent = label;
      const show = () => (output.textContent = `${input.value}${unit ? ` ${unit}` : ""}`);
      input.oninput = show;
      input.onchange = () => change({ settings: { [name]: Number(input.value) } });
      row.append(text, output, input);
      sliders.append(row);
      this.inputs.set(name, { input, show });
    }
    this.mark("balanced");
  }

  choose(preset) {
    this.mark(preset);
    this.change({ policy: preset });
  }

  mark(preset) {
    this.preset = preset;
    for (const [name, button] of this.buttons) button.setAttribute("aria-checked", String(name === preset));
  }

  take(numbers) {
    this.mark(numbers.preset);
    for (const [name, { input, show }] of this.inputs) {
      if (numbers[name] === undefined || numbers[name] === null) continue;
      input.value = numbers[name];
      show();
    }
  }
}
