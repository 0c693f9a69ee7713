function render({ model, el }) {
  el.replaceChildren();
  const root = element("div", "cd cd-header", el);
  const title = element("span", "cd-title", root);
  const note = element("span", "cd-note", root);
  const label = element("span", "cd-label", root);
  const draw = () => {
    setText(title, model.get("title"));
    setText(note, model.get("note"));
    setText(label, model.get("label"));
    label.dataset.label = model.get("label");
  };
  const pulse = live({ model, el: root, draw });
  return pulse.stop;
}

export default { render };
