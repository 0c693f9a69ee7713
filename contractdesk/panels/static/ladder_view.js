// The ladder: levels as rows, best prices around the middle; only integers become text.
const ROW = 13;
const MIDDLE = 26;
const LEVEL_BYTES = 16;
const MAX_PINS = 5; // at each edge
const CROSS = 13; // of a tag's width: its x

function readLevels(view) {
  const levels = [];
  if (!view || !view.byteLength) return levels;
  for (let at = 0; at + LEVEL_BYTES <= view.byteLength; at += LEVEL_BYTES) {
    levels.push([Number(view.getBigInt64(at, true)), Number(view.getBigInt64(at + 8, true))]);
  }
  return levels;
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
    this.rows = [];
    this.hits = []; // where own orders are drawn: { left, right, top, bottom, mark }
    this.previous = null;
    this.direction = 0;
  }

  draw(model, hand) {
    this.hits = [];
    this.rows = [];
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
    this.rows = rows;
    this.best = { ask: asks[0]?.[0], bid: bids[0]?.[0] };
    this.layout(ink, terms, rows);
    rows.forEach((row) => this.drawRow(ink, terms, row));
    this.drawMiddle(ink, model, terms, asks, bids);
    this.drawMarks(ink, rows, model.get("marks"), hand);
    this.drawHand(ink, terms, hand);
    this.canvas.dataset.frames = String(Number(this.canvas.dataset.frames || 0) + 1);
    this.canvas.dataset.top = `${bids[0] ?? ""} ${asks[0] ?? ""}`; // ticks,lots of the best bid and ask drawn
    this.canvas.dataset.own = this.hits.map((hit) => hit.mark.id).join(" ");
  }

  prepare() {
    this.colors = palette(this.root);
    const made = surface(this.canvas, this.colors);
    if (!made || made.height < 60) return null;
    this.width = made.width;
    this.height = made.height;
    made.ink.font = `11px ${this.colors.mono}`;
    return made.ink;
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

  drawMarks(ink, rows, marks, hand) {
    const edge = [(this.height - MIDDLE) / 2, (this.height + MIDDLE) / 2];
    const place = locator(rows, ROW / 2, this.height - ROW / 2);
    const placed = marks.map((mark) => ({ ...mark, at: place(mark.ticks) })).filter(({ at }) => at);
    const taken = [];
    const rank = { stop: 0, liq: 1, order: 2, entry: 3, mark: 4 };
    const ranked = (a, b) => rank[a.kind] - rank[b.kind];
    placed
      .filter(({ at }) => !at.beyond)
      // The mark mostly lies within the spread, where the middle row already names it.
      .filter(({ kind, at }) => kind !== "mark" || at.y < edge[0] - ROW || at.y > edge[1] + ROW)
      .sort(ranked)
      .forEach((mark) => this.drawTag(ink, mark, mark.at.y > edge[1] ? -1 : 1, taken, hand));
    // What lies beyond the book is pinned to its edge: what protects first, then the nearest prices.
    for (const beyond of [-1, 1]) {
      placed
        .filter(({ kind, at }) => at.beyond === beyond && kind !== "mark")
        .sort((a, b) => ranked(a, b) || (b.ticks - a.ticks) * beyond)
        .slice(0, MAX_PINS)
        .sort((a, b) => (a.ticks - b.ticks) * beyond)
        .reverse()
        .forEach((mark) => this.drawTag(ink, mark, -beyond, taken, hand));
    }
  }

  drawTag(ink, mark, step, taken, hand) {
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
    const [left, top, width] = [2, y - ROW / 2 + 0.5, columns.tag - 5];
    ink.beginPath();
    ink.roundRect(left, top, width, ROW - 1, 2.5);
    const solid = (mark.kind === "order" || mark.kind === "stop") && !mark.asked;
    if (!solid) ink.fillStyle = colors.bg;
    ink.fill();
    if (!solid) {
      ink.strokeStyle = color;
      ink.lineWidth = 1;
      ink.stroke();
    }
    ink.fillStyle = solid ? colors.on : color;
    ink.textAlign = "center";
    const crossed = hand.on && mark.kind === "order" && width > 34;
    const room = width - 3 - (crossed ? CROSS - 3 : 0);
    ink.font = `bold 9.5px ${colors.sans}`;
    const arrow = at.beyond < 0 ? "▲" : at.beyond > 0 ? "▼" : "";
    const text = columns.tag < 34 ? mark.text.slice(0, 1) : `${arrow}${mark.text}`;
    ink.fillText(text, left + 1.5 + room / 2, y + 0.5, room);
    if (crossed) ink.fillText("×", left + width - CROSS / 2 + 1, y + 0.5);
    ink.font = `11px ${colors.mono}`;
    if (mark.id) this.hits.push({ mark, left, right: left + width, top, bottom: top + ROW - 1, cross: crossed });
  }

  // What the pointer and the keys point at: the hovered row, the selected price, a drag, an armed ticket.
  drawHand(ink, terms, hand) {
    const { colors, columns, width } = this;
    const place = locator(this.rows, ROW / 2, this.height - ROW / 2);
    const band = (ticks, color, { filled, words }) => {
      const at = ticks === null || ticks === undefined ? null : place(ticks);
      if (!at) return;
      const top = at.y - ROW / 2;
      ink.fillStyle = ink.strokeStyle = color;
      if (filled) {
        ink.globalAlpha = filled;
        ink.fillRect(columns.tag, top, width - columns.tag, ROW);
        ink.globalAlpha = 1;
      }
      ink.lineWidth = 1.5;
      if (!words) return;
      ink.strokeRect(columns.tag - 1, top + 0.5, width - columns.tag, ROW - 1);
      const text = fixed(ticks * terms.tick, terms.priceDecimals);
      ink.fillRect(columns.tag, top + 1, columns.priceRight - columns.tag + 1, ROW - 2);
      ink.fillStyle = colors.on;
      ink.textAlign = "right";
      ink.fillText(text, columns.priceRight - 2, at.y);
    };
    const sided = (side) => (side === "buy" ? colors.buy : colors.sell);
    band(hand.hover, colors.fg, { filled: 0.08 });
    if (hand.selected && !hand.drag) band(hand.selected.ticks, sided(hand.selected.side), { words: true });
    if (hand.drag) band(hand.drag.ticks, hand.drag.mark.kind === "stop" ? colors.alarm : sided(hand.drag.mark.side), { filled: 0.2, words: true });
    if (hand.ticket) band(hand.ticket.ticks, sided(hand.ticket.side), { filled: 0.25, words: true });
  }

  rowAt(y) {
    return this.rows.find((row) => Math.abs(row.y - y) <= ROW / 2) ?? null;
  }

  hitAt(x, y) {
    return this.hits.find((hit) => x >= hit.left && x <= hit.right && y >= hit.top && y <= hit.bottom) ?? null;
  }

  isCross(hit, x) {
    return hit.cross && x > hit.right - CROSS;
  }
}

