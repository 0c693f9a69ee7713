// What an order would be, and the small ticket that is confirmed or dropped: nothing is sent before.
const ENTER_MS = 300; // a ticket is looked at before a key may place it

function field(parent, name, choices, value) {
  const group = element("label", "cd-field", parent);
  element("span", "cd-muted", group, name);
  const select = element("select", "cd-select", group);
  select.setAttribute("aria-label", `${name}: how`);
  select.replaceChildren(...choices.map(([key, text]) => new Option(text, key)));
  const input = element("input", "cd-amount", group);
  input.type = "text";
  input.inputMode = "decimal";
  input.dataset.amount = "1";
  input.value = value;
  input.setAttribute("aria-label", `${name}: amount`);
  return { select, input };
}

function buildBar(parent) {
  const root = element("div", "cd-ladder-bar", parent);
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", "what an order from this ladder is");
  root.hidden = true;
  const size = field(root, "Size", [["cap", "cap's share"], ["notional", "notional"]], "150");
  const unit = element("span", "cd-muted cd-unit", size.input.parentElement);
  const stop = field(root, "Stop", [["atr", "× ATR(14)"], ["offset", "% away"]], "2.5");
  const usual = { atr: "2.5", offset: "0.5" };
  stop.select.addEventListener("change", () => {
    stop.input.value = usual[stop.select.value];
  });
  const shown = () => {
    size.input.hidden = unit.hidden = size.select.value === "cap";
  };
  size.select.addEventListener("change", shown);
  shown();
  return { root, size, stop, unit };
}

// How an order from this ladder is sized and stopped, as the person wrote it.
function chosen(bar) {
  return {
    notional: bar.size.select.value === "cap" ? "" : bar.size.input.value.trim(),
    stop: bar.stop.select.value,
    by: bar.stop.input.value.trim(),
  };
}

function buildTicket(parent) {
  const root = element("div", "cd-ticket", parent);
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", "armed order");
  root.setAttribute("aria-live", "polite");
  root.hidden = true;
  const title = element("div", "cd-ticket-title", root);
  const lines = element("div", "cd-ticket-lines", root);
  const warning = element("div", "cd-ticket-refusal cd-warn", root);
  const refusal = element("div", "cd-ticket-refusal cd-alarm", root);
  const row = element("div", "cd-ticket-row", root);
  const place = element("button", "cd-button cd-ticket-place", row);
  const drop = element("button", "cd-button cd-ticket-drop", row, "Cancel");
  place.type = drop.type = "button";
  element("span", "cd-muted", row, "Enter / Esc");
  return { root, title, lines, warning, refusal, place, drop };
}

function drawTicket(parts, hand) {
  const { ticket } = hand;
  // It covers the side that is not traded, so that the price stays in view; once there it stays there.
  if (ticket && parts.root.hidden) parts.root.dataset.at = hand.upper(ticket.ticks) ? "bottom" : "top";
  parts.root.hidden = !ticket;
  if (!ticket) return;
  parts.root.dataset.side = ticket.side;
  setText(parts.title, ticket.title);
  while (parts.lines.children.length > ticket.lines.length) parts.lines.lastChild.remove();
  ticket.lines.forEach((line, i) => setText(parts.lines.children[i] ?? element("div", "", parts.lines), line));
  setText(parts.warning, ticket.warning);
  setText(parts.refusal, ticket.refusal);
  setText(parts.place, ticket.ready ? ticket.word : "asking the gate …");
  parts.place.disabled = !hand.placeable();
}

function wireTicket(parts, hand) {
  parts.ticket.place.addEventListener("click", () => hand.place());
  parts.ticket.drop.addEventListener("click", () => hand.drop());
  parts.ticket.root.addEventListener("keydown", (event) => hand.escape(event));
  parts.bar.root.addEventListener("keydown", (event) => hand.escape(event));
  parts.bar.root.addEventListener("change", () => hand.again());
}

