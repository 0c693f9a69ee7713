// The ladder: levels as rows, best prices around the middle; only integers become text.
const ROW = 13;
const MIDDLE = 26;
const LEVEL_BYTES = 16;
const MAX_PINS = 4; // at each edge

function readLevels(view) {
  const levels = [];
  if (!view || !view.byteLength) return levels;
  for (let at = 0; at + LEVEL_BYTES <= view.byteLength; at += LEVEL_BYTES) {
    levels.push([Number(view.getBigInt64(at, true)), Number(view.getBigInt64(at + 8, true))]);
  }
  return levels;
}

function grouped(digits) {
  return digits.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

function fixed(units, decimals) {
  const text = String(Math.abs(Math.round(units))).padStart(decimals + 1, "0");
  const whole = grouped(text.slice(0, text.length - decimals));
  return decimals ? `${whole}.${text.slice(-decimals)}` : whole;
}

function palette(el) {
  const style = getComputedStyle(el);
  const of = (name) => style.getPropertyValue(name).trim();
  return {
    fg: of("--cd-fg"), dim: of("--cd-dim"), line: of("--cd-line"), bg: of("--cd-bg"), bg2: of("--cd-bg2"),
    buy: of("--cd-buy"), sell: of("--cd-sell"), alarm: of("--cd-alarm"), warn: of("--cd-warn"),
    on: of("--cd-on"), mono: of("--cd-mono"), sans: of("--cd-sans"),
  };
}

// Where the columns stand in `width` pixels: tags | price | size | sum; the last one yields first.
function columnsOf(width, ink, terms, sample) {
  const price = ink.measureText(sample.price).width + 10;
  const size = ink.measureText(sample.size).width + 12;
  const sum = ink.measureText(sample.sum).width + 10;
  const tag = Math.min(62, Math.max(14, width - price - size - sum));
  const wide = width >= tag + price + size + sum;
  const slack = Math.max(0, width - tag - price - size - (wide ? sum : 0));
  return { tag, priceRight: tag + price, sizeRight: wide ? width - sum - slack * 0.3 : width - 6, sum: wide ? width - 6 : 0 };
}

// The y of any price between and beyond the levels shown; beyond them it lies outside [top, bottom].
function locator(rows, top, bottom) {
  return (ticks) => {
    if (!rows.length) return null;
    if (ticks > rows[0].ticks) return { y: top, beyond: -1 };
    if (ticks < rows[rows.length - 1].ticks) return { y: bottom, beyond: 1 };
    for (let i = 0; i < rows.length; i++) {
      if (ticks === rows[i].ticks) return { y: rows[i].y, beyond: 0 };
      if (ticks > rows[i].ticks) {
        const above = rows[i - 1];
        const share = (above.ticks - ticks) / (above.ticks - rows[i].ticks);
        return { y: above.y + share * (rows[i].y - above.y), beyond: 0 };
      }
    }
    return null;
  };
}

class LadderCanvas {
  constructor(canvas, root) {
    this.canvas = canvas;
    this.root = root;
    this.scale = 1;
    this.previous = null;
    this.direction = 0;
  }

  draw(model) {
    const terms = model.get("terms");
    const ink = this.prepare();
    if (!ink) return;
    const { width, height } = this;
    const bids = readLevels(model.get("bids"));
    const asks = readLevels(model.get("asks"));
    if (!terms.symbol || (!bids.length && !asks.length)) {
      this.empty(ink, model.get("quote").trouble || "waiting for the book");
      return;
    }
    const perSide = Math.max(1, Math.floor((height - MIDDLE) / 2 / ROW));
    const rows = this.rowsOf(asks.slice(0, perSide), bids.slice(0, perSide), (height - MIDDLE) / 2);
    this.layout(ink, terms, rows);
    rows.forEach((row) => this.drawRow(ink, terms, row));
    this.drawMiddle(ink, model, terms, asks, bids);
    this.drawMarks(ink, rows, model.get("marks"));
    this.canvas.dataset.frames = String(Number(this.canvas.dataset.frames || 0) + 1);
    this.canvas.dataset.top = `${bids[0] ?? ""} ${asks[0] ?? ""}`; // ticks,lots of the best bid and ask drawn
  }

  prepare() {
    const box = this.canvas.getBoundingClientRect();
    if (box.width < 20 || box.height < 60) return null;
    const ratio = window.devicePixelRatio || 1;
    this.width = box.width;
    this.height = box.height;
    const [w, h] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
    if (this.canvas.width !== w || this.canvas.height !== h) {
      this.canvas.width = w;
      this.canvas.height = h;
    }
    this.colors = palette(this.root);
    const ink = this.canvas.getContext("2d");
    ink.setTransform(ratio, 0, 0, ratio, 0, 0);
    ink.fillStyle = this.colors.bg;
    ink.fillRect(0, 0, box.width, box.height);
    ink.textBaseline = "middle";
    ink.font = `11px ${this.colors.mono}`;
    return ink;
  }

  empty(ink, text) {
    ink.fillStyle = this.colors.dim;
    ink.textAlign = "center";
    ink.font = `12px ${this.colors.sans}`;
    ink.fillText(text, this.width / 2, this.height / 2, this.width - 16);
  }

  rowsOf(asks, bids, half) {
    const rows = [];
    let sum = 0;
    asks.forEach(([ticks, lots], i) => {
      sum += lots;
      rows.unshift({ ticks, lots, sum, ask: true, y: half - ROW * (i + 0.5) });
    });
    sum = 0;
    bids.forEach(([ticks, lots], i) => {
      sum += lots;
      rows.push({ ticks, lots, sum, ask: false, y: half + MIDDLE + ROW * (i + 0.5) });
    });
    return rows;
  }

  layout(ink, terms, rows) {
    const sizes = rows.map((row) => row.lots).sort((a, b) => a - b);
    const largest = sizes[sizes.length - 1];
    this.deepest = Math.max(...rows.map((row) => row.sum), 1);
    // Sizes are heavy-tailed: one wall must not shrink all other bars to nothing, so bars are cut at
    // three times the 80th percentile. The scale grows at once and shrinks slowly, or all would jump.
    const usual = 3 * sizes[Math.floor(sizes.length * 0.8)];
    this.scale = Math.max(Math.min(largest, usual), this.scale * 0.97, 1);
    const text = (lots) => fixed(lots * terms.lot, terms.sizeDecimals);
    this.columns = columnsOf(this.width, ink, terms, {
      price: fixed(rows[0].ticks * terms.tick, terms.priceDecimals),
      size: text(largest),
      sum: text(this.deepest),
    });
  }

  drawRow(ink, terms, row) {
    const { colors, columns, width } = this;
    const color = row.ask ? colors.sell : colors.buy;
    const left = columns.priceRight + 2;
    const room = width - left;
    const top = row.y - ROW / 2;
    const cut = row.lots > this.scale;
    ink.fillStyle = color;
    ink.globalAlpha = 0.09;
    ink.fillRect(left, top, (room * row.sum) / this.deepest, ROW);
    ink.globalAlpha = 0.3;
    ink.fillRect(left, top + 1, cut ? room : (room * row.lots) / this.scale, ROW - 2);
    ink.globalAlpha = 1;
    if (cut) ink.fillRect(width - 2, top + 1, 2, ROW - 2);
    ink.textAlign = "right";
    ink.fillText(fixed(row.ticks * terms.tick, terms.priceDecimals), columns.priceRight - 2, row.y);
    ink.fillStyle = colors.fg;
    ink.fillText(fixed(row.lots * terms.lot, terms.sizeDecimals), columns.sizeRight, row.y);
    if (columns.sum) {
      ink.fillStyle = colors.dim;
      ink.fillText(fixed(row.sum * terms.lot, terms.sizeDecimals), columns.sum, row.y);
    }
  }

  drawMiddle(ink, model, terms, asks, bids) {
    const { colors, width } = this;
    const quote = model.get("quote");
    const top = (this.height - MIDDLE) / 2;
    ink.fillStyle = colors.bg2;
    ink.fillRect(0, top, width, MIDDLE);
    if (quote.lastTicks !== this.previous) {
      this.direction = Math.sign(quote.lastTicks - (this.previous ?? quote.lastTicks)) || this.direction;
      this.previous = quote.lastTicks;
    }
    const y = top + MIDDLE / 2;
    ink.textAlign = "left";
    ink.font = `bold 14px ${colors.mono}`;
    ink.fillStyle = this.direction > 0 ? colors.buy : this.direction < 0 ? colors.sell : colors.fg;
    const last = `${quote.last} ${this.direction > 0 ? "▲" : this.direction < 0 ? "▼" : ""}`;
    ink.fillText(last, 6, y);
    const used = ink.measureText(last).width + 18;
    ink.font = `11px ${colors.mono}`;
    ink.textAlign = "right";
    ink.fillStyle = colors.dim;
    const spread = asks.length && bids.length ? fixed((asks[0][0] - bids[0][0]) * terms.tick, terms.priceDecimals) : "–";
    for (const text of [`mark ${quote.mark}  spread ${spread}`, `mark ${quote.mark}`, `spread ${spread}`]) {
      if (ink.measureText(text).width <= width - used - 6) {
        ink.fillText(text, width - 6, y);
        break;
      }
    }
  }

  drawMarks(ink, rows, marks) {
    const edge = [(this.height - MIDDLE) / 2, (this.height + MIDDLE) / 2];
    const place = locator(rows, ROW / 2, this.height - ROW / 2);
    const placed = marks.map((mark) => ({ ...mark, at: place(mark.ticks) })).filter(({ at }) => at);
    const taken = [];
    const rank = { stop: 0, order: 1, liq: 2, entry: 3, mark: 4 };
    placed
      .filter(({ at }) => !at.beyond)
      // The mark mostly lies within the spread, where the middle row already names it.
      .filter(({ kind, at }) => kind !== "mark" || at.y < edge[0] - ROW || at.y > edge[1] + ROW)
      .sort((a, b) => rank[a.kind] - rank[b.kind])
      .forEach((mark) => this.drawTag(ink, mark, mark.at.y > edge[1] ? -1 : 1, taken));
    // What lies beyond the book is pinned to its edge, nearest price first; far-off ones stay away.
    for (const beyond of [-1, 1]) {
      placed
        .filter(({ kind, at }) => at.beyond === beyond && kind !== "mark" && kind !== "liq")
        .sort((a, b) => (b.ticks - a.ticks) * beyond)
        .slice(0, MAX_PINS)
        .reverse()
        .forEach((mark) => this.drawTag(ink, mark, -beyond, taken));
    }
  }

  drawTag(ink, mark, step, taken) {
    const { colors, columns } = this;
    const { at } = mark;
    const color = { stop: colors.alarm, liq: colors.alarm, entry: colors.fg, mark: colors.dim }[mark.kind]
      ?? (mark.side === "buy" ? colors.buy : colors.sell);
    let y = at.y;
    while (taken.some((other) => Math.abs(other - y) < ROW - 1)) y += step * (at.beyond ? ROW : 1);
    if (y < 0 || y > this.height) return;
    taken.push(y);
    ink.fillStyle = color;
    ink.globalAlpha = 0.6;
    if (!at.beyond) ink.fillRect(columns.tag - 2, at.y - 0.5, this.width - columns.tag + 2, 1);
    ink.globalAlpha = 1;
    ink.beginPath();
    ink.roundRect(2, y - ROW / 2 + 0.5, columns.tag - 5, ROW - 1, 2.5);
    const solid = mark.kind === "order" || mark.kind === "stop";
    if (!solid) ink.fillStyle = colors.bg;
    ink.fill();
    if (!solid) {
      ink.strokeStyle = color;
      ink.lineWidth = 1;
      ink.stroke();
    }
    ink.font = `bold 9.5px ${colors.sans}`;
    ink.fillStyle = solid ? colors.on : color;
    ink.textAlign = "center";
    const arrow = at.beyond < 0 ? "▲" : at.beyond > 0 ? "▼" : "";
    const text = columns.tag < 34 ? mark.text.slice(0, 1) : `${arrow}${mark.text}`;
    ink.fillText(text, (columns.tag - 1) / 2, y + 0.5, columns.tag - 8);
    ink.font = `11px ${colors.mono}`;
  }
}

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
  const columns = element("div", "cd-ladder-columns", root);
  const canvas = element("canvas", "cd-ladder-canvas", root);
  canvas.setAttribute("role", "img");
  const foot = element("div", "cd-ladder-foot", root);
  return { root, title, select, note, label, columns, canvas, foot };
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
  parts.canvas.setAttribute("aria-label", `order book of ${terms.symbol}, last ${quote.last}`);
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
  const draw = () => {
    drawHead(parts, model);
    drawFoot(parts, model.get("foot"));
    picture.draw(model);
  };
  const pulse = live({ model, el: parts.root, draw });
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
