// A table's rows by id: each is made once and then only changed, so that focus and selection stay where they are.

export class Rows {
  // make(id): a new <tr>; fill(tr, thing): shows it.
  constructor(body, { make, fill }) {
    Object.assign(this, { body, make, fill });
    this.rows = new Map();
  }

  // things: with an id each, in the order in which they are shown.
  show(things) {
    const ids = new Set(things.map((thing) => thing.id));
    for (const [id, tr] of this.rows) {
      if (ids.has(id)) continue;
      tr.remove();
      this.rows.delete(id);
    }
    things.forEach((thing, place) => {
      let tr = this.rows.get(thing.id);
      if (!tr) this.rows.set(thing.id, (tr = this.labelled(this.make(thing.id))));
      this.fill(tr, thing);
      if (this.body.children[place] !== tr) this.body.insertBefore(tr, this.body.children[place] ?? null);
    });
  }

  // On a narrow screen each cell names its column.
  labelled(tr) {
    const heads = this.body.parentElement.tHead.rows[0].cells;
    [...tr.children].forEach((cell, place) => (cell.dataset.label = heads[place].textContent));
    return tr;
  }
}

export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function make(name, fields = {}, ...children) {
  const { dataset, ...rest } = fields;
  const element = Object.assign(document.createElement(name), rest);
  Object.assign(element.dataset, dataset);
  element.append(...children);
  return element;
}
