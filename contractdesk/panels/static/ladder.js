// The panel: its parts, what they show, and how they are wired.
function buildLadder(el, model) {
  el.replaceChildren();
  const root = element("div", "cd cd-panel cd-ladder", el);
  const head = element("div", "cd-head", root);
  const title = element("span", "cd-title", head);
  const select = element("select", "cd-select", head);
  select.setAttribute("aria-label", "symbol");
  select.addEventListener("change", () => model.send({ symbol: select.value }));
  const note = element("span", "cd-note", head);
  const label = element("span", "cd-label", head);
  const work = element("div", "cd-ladder-work", root);
  const line = element("div", "cd-ladder-units", work);
  const columns = element("span", "cd-ladder-columns", line);
  const trade = element("button", "cd-button cd-trade", line, "Trade");
  trade.type = "button";
  trade.setAttribute("role", "switch");
  const bar = buildBar(work);
  const book = element("div", "cd-ladder-book", work);
  const canvas = element("canvas", "cd-ladder-canvas", book);
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "slider");
  canvas.setAttribute("aria-orientation", "vertical");
  const ticket = buildTicket(book);
  const said = element("div", "cd-ladder-said", work);
  said.setAttribute("role", "status");
  const foot = element("div", "cd-ladder-foot", root);
  return { root, title, select, note, trade, label, columns, canvas, bar, ticket, said, foot };
}

function drawHead(parts, model) {
  const terms = model.get("terms");
  const quote = model.get("quote");
  const symbols = terms.symbols || [];
  setText(parts.title, terms.symbol || "Order book");
  parts.title.hidden = symbols.length > 1;
  parts.select.hidden = symbols.length < 2;
  if (parts.select.dataset.symbols !== symbols.join()) {
    parts.select.dataset.symbols = symbols.join();
    parts.select.replaceChildren(...symbols.map((symbol) => new Option(symbol, symbol)));
  }
  if (document.activeElement !== parts.select) parts.select.value = terms.symbol;
  setText(parts.note, quote.trouble || `feed ${quote.age ?? "–"}`);
  parts.note.classList.toggle("cd-alarm", Boolean(quote.trouble));
  setText(parts.label, terms.label || "");
  parts.label.dataset.label = terms.label || "";
  setText(parts.columns, terms.symbol ? `price ${terms.quote} · size and sum in ${terms.unit}` : "");
}

const HINT = "Click a price, drag an own order or the stop, × cancels; nothing is sent before Place. ? shows the keys.";

function drawHand(parts, model, hand) {
  const { on, objection, said } = model.get("hand");
  parts.root.dataset.trade = on ? "on" : "off";
  parts.trade.setAttribute("aria-checked", String(Boolean(on)));
  parts.trade.setAttribute("aria-disabled", String(Boolean(objection)));
  parts.trade.title = objection || (on ? "Trading from this ladder is on" : "Trade from this ladder: click a price, drag an order");
  parts.bar.root.hidden = !on;
  setText(parts.bar.unit, model.get("terms").settle || "");
  drawTicket(parts.ticket, hand);
  setText(parts.said, said?.text || (on ? HINT : ""));
  parts.said.className = `cd-ladder-said cd-${said?.tone ?? "muted"}`;
  describe(parts.canvas, model, hand);
}

// For those who hear the screen: the selected price, its side, and what rests there.
function describe(canvas, model, hand) {
  const terms = model.get("terms");
  canvas.setAttribute("aria-label", `order book of ${terms.symbol || "no symbol"}`);
  const ticks = hand.selected?.ticks ?? model.get("quote").lastTicks ?? 0;
  const { rows } = hand.picture; // as drawn last
  if (rows.length) {
    canvas.setAttribute("aria-valuemin", String(rows[rows.length - 1].ticks));
    canvas.setAttribute("aria-valuemax", String(rows[0].ticks));
  }
  canvas.setAttribute("aria-valuenow", String(ticks));
  const own = model.get("marks").filter((mark) => mark.ticks === ticks && mark.tip).map((mark) => mark.tip);
  const price = terms.symbol ? fixed(ticks * terms.tick, terms.priceDecimals) : "";
  const what = hand.selected ? `${price}, ${hand.selected.side}` : `last ${price}`;
  canvas.setAttribute("aria-valuetext", [what, ...own].join("; "));
}

function drawFoot(parts, lines) {
  while (parts.foot.children.length > lines.length) parts.foot.lastChild.remove();
  lines.forEach((line, i) => {
    const row = parts.foot.children[i] ?? element("div", "cd-ladder-line", parts.foot);
    if (!row.children.length) {
      element("span", "cd-muted", row);
      element("span", "", row);
    }
    setText(row.children[0], line.name);
    setText(row.children[1], line.text);
    row.children[1].className = line.tone ? `cd-${line.tone}` : "";
  });
}

function render({ model, el }) {
  const parts = buildLadder(el, model);
  const picture = new LadderCanvas(parts.canvas, parts.root);
  const hand = new LadderHand({ model, canvas: parts.canvas, picture, bar: parts.bar, wake: () => pulse.wake() });
  const draw = () => {
    hand.update();
    drawHead(parts, model);
    drawFoot(parts, model.get("foot"));
    drawHand(parts, model, hand);
    picture.draw(model, hand);
  };
  const pulse = live({ model, el: parts.root, draw });
  parts.trade.addEventListener("click", () => model.send({ trade: !model.get("hand").on }));
  wireTicket(parts, hand);
  const resized = new ResizeObserver(pulse.wake);
  resized.observe(parts.canvas);
  const unwatch = onTheme(pulse.wake);
  return () => {
    resized.disconnect();
    unwatch();
    pulse.stop();
  };
}

export default { render };
