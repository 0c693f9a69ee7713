// Pages of HTML from the kernel (all values escaped there); tabs need no kernel at all.

// Widgets of their own behind tabs of this one; each is drawn when it is first chosen.
function guestsOf(model, parent) {
  const guests = new Map(model.get("guests").map((guest) => [guest.name, guest]));
  const hosts = new Map();
  const views = [];
  const open = async ({ name, widget }) => {
    const host = element("div", "cd-guest", parent);
    hosts.set(name, host);
    const child = await model.widget_manager.get_model(widget.slice("IPY_MODEL_".length));
    const view = await model.widget_manager.create_view(child);
    views.push(view);
    host.appendChild(view.el);
  };
  return {
    names: [...guests.keys()],
    page: (name) => guests.get(name),
    // Shows the guest of that name, and no other; true where there is one.
    show: (name) => {
      if (guests.has(name) && !hosts.has(name)) open(guests.get(name));
      hosts.forEach((host, own) => (host.hidden = own !== name));
      return guests.has(name);
    },
    stop: () => views.forEach((view) => view.remove()),
  };
}

function render({ model, el }) {
  el.replaceChildren();
  const root = element("div", "cd cd-panel cd-tables", el);
  const guests = guestsOf(model, root);
  const names = [...model.get("shown"), ...guests.names];
  root.dataset.pages = names.join(" ");
  const head = element("div", "cd-head", root);
  const tabs = element("div", "cd-tabs", head);
  const label = element("span", "cd-label", head);
  const frame = element("div", "cd-frame", root);
  const body = element("div", "cd-body", frame);
  body.tabIndex = 0;
  const more = element("div", "cd-more", frame, "▾ more");
  const right = element("div", "cd-more-right", frame, "▸");
  const shown = new Map();
  let active = names[0];

  const buttons = names.map((name) => {
    const tab = element(names.length > 1 ? "button" : "span", names.length > 1 ? "cd-tab" : "cd-title", tabs);
    if (names.length > 1) {
      tab.type = "button";
      tab.setAttribute("role", "tab");
      tab.addEventListener("click", () => choose(name));
    }
    return tab;
  });
  if (names.length > 1) {
    tabs.setAttribute("role", "tablist");
    tabs.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = (names.indexOf(active) + step + names.length) % names.length;
      choose(names[next]);
      buttons[next].focus();
      event.stopPropagation();
    });
  }

  const draw = () => {
    names.forEach((name, i) => {
      const page = guests.page(name) ?? model.get(name);
      setText(buttons[i], page.count ? `${page.title} ${page.count}` : page.title ?? name);
      buttons[i].classList.toggle("cd-tab-loud", Boolean(page.loud));
      if (names.length > 1) {
        buttons[i].setAttribute("aria-selected", String(name === active));
        buttons[i].tabIndex = name === active ? 0 : -1;
      }
    });
    setText(label, model.get("label"));
    label.dataset.label = model.get("label");
    frame.hidden = guests.show(active);
    if (frame.hidden) return;
    const html = model.get(active).html ?? "";
    if (shown.get("name") !== active || shown.get("html") !== html) {
      shown.set("name", active).set("html", html);
      body.innerHTML = html;
    }
    hint();
  };
  const hint = () => {
    more.hidden = body.scrollHeight - body.scrollTop - body.clientHeight < 6;
    right.hidden = body.scrollWidth - body.scrollLeft - body.clientWidth < 6;
  };
  body.addEventListener("scroll", hint);
  const choose = (name) => {
    active = name;
    draw();
  };
  const pulse = live({ model, el: root, draw });
  const sized = new ResizeObserver(hint);
  sized.observe(body);
  return () => {
    sized.disconnect();
    guests.stop();
    pulse.stop();
  };
}

export default { render };
