// In a page: every text node that can be seen, with the contrast of its ink to what lies behind it (WCAG 2, 1.4.3).
() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const g = canvas.getContext("2d", { willReadFrequently: true });
  // Any colour of CSS, color-mix() too, as red, green, blue (0..255) and alpha (0..1).
  const known = new Map();
  const rgba = (colour) => {
    if (!known.has(colour)) {
      g.clearRect(0, 0, 1, 1);
      g.fillStyle = colour;
      g.fillRect(0, 0, 1, 1);
      const [r, gr, b, a] = g.getImageData(0, 0, 1, 1).data;
      known.set(colour, [r, gr, b, a / 255]);
    }
    return known.get(colour);
  };
  const over = ([r, g1, b, a], [R, G, B]) => [r * a + R * (1 - a), g1 * a + G * (1 - a), b * a + B * (1 - a)];
  const part = (v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = ([r, g1, b]) => 0.2126 * part(r) + 0.7152 * part(g1) + 0.0722 * part(b);
  const ratio = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
  const chain = (element) => (element ? [...chain(element.parentElement), element] : []);
  const sheet = getComputedStyle(document.documentElement).colorScheme.includes("dark") && matchMedia("(prefers-color-scheme: dark)").matches ? [0, 0, 0] : [255, 255, 255];
  const seen = [];
  const measure = (element, text, ink) => {
    let behind = sheet;
    let opacity = 1;
    for (const each of chain(element)) {
      const style = getComputedStyle(each);
      behind = over(rgba(style.backgroundColor), behind);
      opacity *= Number(style.opacity);
    }
    const [r, g1, b, a] = rgba(ink);
    seen.push({ text: text.trim().slice(0, 40), ratio: ratio(over([r, g1, b, a * opacity], behind), behind), where: chain(element).map((e) => e.id ? `#${e.id}` : e.localName).join(" ") });
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const element = node.parentElement;
    if (!node.data.trim() || !element.checkVisibility({ visibilityProperty: true }) || element.closest("script, style, noscript, option, datalist, .unseen")) continue;
    const style = getComputedStyle(element);
    // In a drawing the ink is the fill, and what lies behind is the page.
    if (element instanceof SVGElement) {
      if (style.fill !== "none") measure(element, node.data, style.fill);
    } else measure(element, node.data, style.color);
  }
  for (const input of document.querySelectorAll("input:not([type=range], [type=checkbox]), textarea, select")) {
    if (!input.checkVisibility()) continue;
    measure(input, `${input.localName} ${input.value ?? ""}`, getComputedStyle(input).color);
    if (input.placeholder) measure(input, input.placeholder, getComputedStyle(input, "::placeholder").color);
  }
  return seen;
}
