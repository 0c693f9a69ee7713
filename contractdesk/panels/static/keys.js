// The console's keys: they act while the focus is inside it, and nowhere else. None opens a position.
const SURE_MS = 4000;

// Where letters are typed no letter is a command; a field for amounts takes none, so there they are.
function typesText(node) {
  if (node.isContentEditable || node.matches("textarea")) return true;
  return node.matches("input") && !node.dataset.amount && !["checkbox", "radio", "range", "button"].includes(node.type);
}

function actsItself(node) {
  return node.matches("button, select, input, textarea, a");
}

function whenAttached(el, then) {
  let frame = 0;
  const look = () => {
    if (el.isConnected) then();
    else frame = requestAnimationFrame(look);
  };
  look();
  return () => cancelAnimationFrame(frame);
}

// `ask(verb)` is a key pressed, `enter()` and `escape()` say whether they were meant for it.
function hotkeys({ el, sheet, ask, enter, escape, help }) {
  let home = null;
  const onKey = (event) => {
    if (!home || !home.contains(event.target)) return;
    const chord = event.ctrlKey || event.metaKey || event.altKey;
    // Of what is typed in here the notebook hears nothing, or "x" would cut the cell; Ctrl+S still saves.
    // JupyterLab looks for this on the very element that has the focus, and on the way up from it.
    event.target.toggleAttribute("data-lm-suppress-shortcuts", !chord);
    if (chord || event.isComposing) return;
    if (handled(event)) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  };
  const handled = (event) => {
    if (event.key === "Escape") return escape();
    if (typesText(event.target)) return false;
    if (event.key === "?") {
      if (!event.repeat) help();
      return true;
    }
    if (event.key === "Enter") return !event.repeat && !actsItself(event.target) && enter();
    const letter = /^[a-z]$/i.test(event.key) ? event.key.toUpperCase() : event.code.replace("Key", "");
    const hotkey = event.shiftKey && sheet().hotkeys.find(({ key }) => key === letter);
    if (!hotkey) return false;
    if (!event.repeat) ask(hotkey.verb);
    return true;
  };
  // An Escape that nobody in here has taken leads back to the notebook.
  const leave = (event) => {
    if (event.key === "Escape" && !event.defaultPrevented) home.closest(".jp-Cell")?.focus();
  };
  window.addEventListener("keydown", onKey, true); // before JupyterLab's own, which listens on the document
  const detach = whenAttached(el, () => {
    home = el.closest(".cd-console") ?? el;
    if (!home.hasAttribute("tabindex")) home.tabIndex = -1; // a click anywhere inside takes the focus
    home.addEventListener("keydown", leave);
  });
  return () => {
    detach();
    home?.removeEventListener("keydown", leave);
    window.removeEventListener("keydown", onKey, true);
  };
}

// The help: a small dialog over the panels; Escape, "?" and its button close it.
function helpSheet(el, sheet) {
  let shown = null;
  let before = null;
  const close = () => {
    if (!shown) return false;
    shown.remove();
    shown = null;
    before?.focus?.();
    return true;
  };
  const open = () => {
    before = document.activeElement;
    shown = element("div", "cd cd-help", el);
    shown.setAttribute("role", "dialog");
    shown.setAttribute("aria-label", "keys of the console");
    const head = element("div", "cd-help-head", shown);
    element("span", "cd-title", head, "Keys");
    element("span", "cd-muted", head, "they act while the console has the focus; none opens a position");
    const done = element("button", "cd-button cd-help-close", head, "Close");
    done.type = "button";
    done.addEventListener("click", close);
    let group = "";
    for (const line of sheet().lines) {
      if (line.group !== group) element("div", "cd-help-group", shown, (group = line.group));
      const row = element("div", "cd-help-line", shown);
      element("kbd", "cd-key", row, line.chord);
      element("span", "", row, line.words);
    }
    shown.addEventListener("keydown", (event) => {
      if (event.key === "Tab") event.preventDefault(); // its only button keeps the focus
    });
    done.focus();
  };
  return { close, toggle: () => close() || open() };
}

