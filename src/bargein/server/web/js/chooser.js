// "AI options": which parts an agent is made of. What there is, and what of it is ready, the server says.

const KEPT = "bargein-choice"; // in localStorage; there is never a key in it
const KINDS = [
  ["stt", "STT"],
  ["llm", "LLM"],
  ["tts", "TTS"],
];
const WIRE = { stt: "transcriber", llm: "model", tts: "voice" }; // as bargein.v1 calls them in a hello's choice

function made(tag, more = {}, ...children) {
  const element = Object.assign(document.createElement(tag), more);
  element.append(...children);
  return element;
}

function unready(part) {
  if (!part.installed) return `not installed: ${part.requirement}`;
  return part.key_set === false ? `no ${part.variable}` : "";
}

function took(kind, { first_ms, ms, text }) {
  const [first, whole] = [first_ms, ms].map((n) => `${Math.round(n)} ms`);
  if (kind === "tts") return `First sound after ${first}.`;
  if (kind === "llm") return `First word after ${first}, all after ${whole}: “${text}”`;
  return `Read after ${whole}: “${text}”`;
}

// One kind of part: its select, its options, its badge and its test.
class PartRow {
  constructor(kind, label, parts, { test, changed, language }) {
    this.kind = kind;
    this.parts = parts;
    this.inputs = new Map();
    this.select = made("select", { id: `part-${kind}` }, new Option("The best there is", ""));
    for (const part of parts) {
      const why = unready(part);
      this.select.append(new Option(why ? `${part.title} (${why})` : part.title, part.name));
    }
    this.badge = made("span", { className: "badge", hidden: true });
    this.button = made("button", { type: "button", className: "quiet", textContent: "Test" });
    this.button.setAttribute("aria-label", `Test the ${kind}`);
    this.result = made("p", { className: "result" });
    this.result.setAttribute("role", "status");
    this.options = made("div");
    this.element = made(
      "div",
      { className: "part", id: `row-${kind}` },
      made("label", { className: "field" }, made("span", { textContent: label }), this.select),
      made("div", { className: "row" }, this.badge, this.button),
      this.result,
      this.options,
    );
    this.select.onchange = () => {
      this.show({});
      changed();
    };
    this.options.onchange = changed;
    this.button.onclick = () => this.test(test, language());
    this.show({});
  }

  get part() {
    return this.parts.find((part) => part.name === this.select.value);
  }

  show(values) {
    const part = this.part;
    this.say("", "");
    this.button.disabled = !part;
    this.badge.hidden = !part;
    this.inputs.clear();
    this.options.replaceChildren();
    if (!part) return;
    const why = unready(part);
    this.badge.textContent = why ? (part.installed ? "key not set" : "not installed") : part.key_set ? "key set" : "no key needed";
    this.badge.className = `badge ${why ? "unset" : "set"}`;
    for (const option of part.options) {
      if (option.name === "language") continue; // one field for all parts
      const id = `option-${this.kind}-${option.name}`;
      const input = made("input", { id, autocomplete: "off", spellcheck: false, placeholder: option.default ?? "" });
      if (option.kind === "number") Object.assign(input, { type: "number", min: option.least, max: option.most, step: "any" });
      else input.maxLength = 200;
      const field = made("label", { className: "field" }, made("span", { textContent: option.title }), input);
      if (option.suggestions.length) {
        input.setAttribute("list", `${id}-list`);
        field.append(made("datalist", { id: `${id}-list` }, ...option.suggestions.map((value) => new Option(value, value))));
      }
      const value = values[option.name];
      if (value !== undefined) input.value = Array.isArray(value) ? value.join(", ") : value;
      this.inputs.set(option.name, { input, kind: option.kind });
      this.options.append(field);
    }
  }

  // What is chosen; undefined: the best there is.
  get choice() {
    if (!this.part) return undefined;
    const options = {};
    for (const [name, { input, kind }] of this.inputs) {
      const text = input.value.trim();
      if (!text) continue;
      if (kind === "number") options[name] = Number(text);
      else if (kind === "words") options[name] = text.split(",").map((word) => word.trim()).filter(Boolean);
      else options[name] = text;
    }
    return { name: this.part.name, options };
  }

  take(choice) {
    if (!choice || !this.parts.some((part) => part.name === choice.name)) return;
    this.select.value = choice.name;
    this.show(choice.options ?? {});
  }

  async test(post, language) {
    this.button.disabled = true;
    this.say("", "Testing …");
    try {
      this.say("good", took(this.kind, await post({ kind: this.kind, language, ...this.choice })));
    } catch (error) {
      this.say("bad", `${error.message} ${error.advice ?? ""}`);
    }
    this.button.disabled = false;
  }

  say(how, text) {
    this.result.className = `result ${how}`;
    this.result.textContent = text;
  }
}

export class Chooser {
  // ask(path, body): fetches, with the token if there is one; start(): opens a call with the choice; preset(name): the policy's preset.
  constructor({ section, ask, start, preset }) {
    this.$ = (id) => section.querySelector(`#${id}`);
    this.section = section;
    this.ask = ask;
    this.$("start-chosen").onclick = start;
    this.$("preset").onchange = () => {
      if (this.$("preset").value) preset(this.$("preset").value);
      this.keep();
    };
    for (const id of ["language", "instructions", "greeting"]) this.$(id).onchange = () => this.keep();
  }

  async open() {
    const { parts, policies } = await this.ask("parts");
    const test = (body) => this.ask("parts/try", body);
    const changed = () => this.keep();
    const language = () => this.$("language").value.trim() || "en";
    this.rows = KINDS.map(([kind, label]) => new PartRow(kind, label, parts.filter((p) => p.kind === kind), { test, changed, language }));
    this.$("kinds").replaceChildren(...this.rows.map((row) => row.element));
    this.$("preset").append(new Option("The agent's own", ""), ...policies.map((name) => new Option(name, name)));
    this.take(this.kept());
    this.section.hidden = false;
  }

  get choice() {
    const choice = {};
    for (const row of this.rows) choice[WIRE[row.kind]] = row.choice;
    for (const id of ["language", "instructions", "greeting", "preset"]) choice[id] = this.$(id).value.trim() || undefined;
    return choice;
  }

  take(choice) {
    for (const row of this.rows) row.take(choice[WIRE[row.kind]]);
    for (const id of ["language", "instructions", "greeting", "preset"]) if (choice[id]) this.$(id).value = choice[id];
    this.tell();
  }

  tell() {
    const named = this.rows.map((row) => row.part?.title).filter(Boolean);
    this.$("chosen").textContent = named.join(" · ") || "the best there is";
  }

  keep() {
    this.tell();
    try {
      localStorage.setItem(KEPT, JSON.stringify(this.choice));
    } catch {
      // a browser that keeps nothing: the choice lives as long as the page
    }
  }

  kept() {
    try {
      return JSON.parse(localStorage.getItem(KEPT)) ?? {};
    } catch {
      return {};
    }
  }
}
