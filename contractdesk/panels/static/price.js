// The price chart. All prices are ticks and all times UTC ms until they become text.
const AXIS = 62;
const FOOT = 18;
const PAD = 8;
const TAG = 13;
const REACH = 1.2; // a stop or an entry farther away than so many times the price's range is left out
const WIDTHS = [3, 5, 7, 9, 12, 16];
const STEPS_S = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800,
];

function rowsOf(flat, width) {
  const rows = [];
  for (let i = 0; i + width <= flat.length; i += width) rows.push(flat.subarray(i, i + width));
  return rows;
}

// What is to be drawn, of all that is known: the newest bars that fit, and the times they span.
function sceneOf(model, plotWidth, barWidth) {
  const terms = model.get("terms");
  const closed = rowsOf(doubles(model.get("bars")), 5);
  const forming = model.get("forming");
  const bars = forming.length ? [...closed, forming] : closed;
  const overlays = overlaysOf(model, closed);
  if (!bars.length) return { bars, overlays, ...spanOf(rowsOf(doubles(model.get("trail")), 2)) };
  const shown = bars.slice(-Math.max(12, Math.floor(plotWidth / barWidth) - 1));
  const end = shown[shown.length - 1][0] + terms.step;
  const start = end - Math.max(12, Math.floor(plotWidth / barWidth) - 1) * terms.step;
  return { bars: shown, overlays, trail: [], start, end: end + terms.step / 2, step: terms.step };
}

function spanOf(trail) {
  if (!trail.length) return { trail, start: 0, end: 1, step: 0 };
  const end = trail[trail.length - 1][0];
  return { trail, start: Math.min(trail[0][0], end - 30000), end: end + 500, step: 0 };
}

function overlaysOf(model, closed) {
  const flat = doubles(model.get("overlay_values"));
  let at = 0;
  return model.get("overlays").map(({ name, count }) => {
    const values = flat.subarray(at, at + count);
    at += count;
    const first = closed.length - values.length;
    return { name, points: [...values].map((value, i) => [closed[first + i]?.[0], value]).filter(([t]) => t) };
  });
}

// The lowest and highest price shown; what lies near it, such as a stop, is taken in.
function reachOf(scene, near) {
  const prices = scene.bars.length
    ? scene.bars.flatMap((bar) => [bar[2], bar[3]])
    : scene.trail.map((point) => point[1]);
  let [low, high] = [Math.min(...prices), Math.max(...prices)];
  const room = REACH * Math.max(high - low, 4);
  const close = near.filter((price) => price >= low - room && price <= high + room);
  low = Math.min(low, ...close);
  high = Math.max(high, ...close);
  const pad = Math.max((high - low) * 0.07, 2);
  return [low - pad, high + pad];
}

// 1, 2 or 5 times a power of ten that is at least `rough` (ticks); never less than one tick.
function roundStep(rough) {
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough) ?? 1;
}

class PriceCanvas {
  constructor(canvas, root) {
    this.canvas = canvas;
    this.root = root;
    this.zoom = 1;
    this.pointer = null;
  }

  draw(model) {
    this.colors = palette(this.root);
    const surfaceOf = surface(this.canvas, this.colors);
    if (!surfaceOf) return;
    Object.assign(this, surfaceOf);
    this.terms = model.get("terms");
    this.plot = { left: PAD, right: this.width - AXIS, top: 20, bottom: this.height - FOOT };
    const scene = this.terms.symbol
      ? sceneOf(model, this.plot.right - this.plot.left, WIDTHS[this.zoom])
      : { bars: [], trail: [] };
    if (!scene.bars.length && scene.trail.length < 2) {
      this.empty(model.get("note") || "waiting for the first prices");
      return;
    }
    this.scene = scene;
    const fills = model.get("fills").filter((fill) => fill.at >= scene.start);
    const levels = model.get("levels");
    const stops = model.get("stops");
    this.scale(scene, fills, levels, stops, model.get("last"));
    this.grid(model.get("last"));
    this.clip(() => {
      scene.overlays.forEach((line, i) => this.overlay(line, this.colors.lines[i % 3]));
      if (scene.bars.length) this.candles();
      else this.line(scene.trail, this.colors.fg, 1.4);
      this.stopTrail(stops);
      model.get("refused").forEach((at) => this.refusal(at));
      fills.forEach((fill) => this.fill(fill));
    });
    this.levels(levels, model.get("last"));
    this.legend(scene, fills, stops, model.get("refused"));
    this.cross(fills);
    const data = this.canvas.dataset;
    data.frames = String(Number(data.frames || 0) + 1);
    data.bars = String(scene.bars.length || scene.trail.length);
    data.fills = String(fills.length);
  }

  empty(text) {
    this.ink.fillStyle = this.colors.dim;
    this.ink.textAlign = "center";
    this.ink.font = `12px ${this.colors.sans}`;
    this.ink.fillText(text, this.width / 2, this.height / 2, this.width - 16);
  }

  scale(scene, fills, levels, stops, last) {
    const shownStops = stops.filter(([at, ticks], i) => ticks !== null && (stops[i + 1]?.[0] ?? Infinity) >= scene.start);
    const near = [
      ...fills.map((fill) => fill.ticks),
      ...levels.map((level) => level.ticks),
      ...shownStops.map(([, ticks]) => ticks),
      ...(last === null ? [] : [last]),
    ];
    const [low, high] = reachOf(scene, near);
    const { left, right, top, bottom } = this.plot;
    this.low = low;
    this.high = high;
    this.x = (at) => left + ((at - scene.start) / (scene.end - scene.start)) * (right - left);
    this.y = (ticks) => bottom - ((ticks - low) / (high - low)) * (bottom - top);
    this.priceAt = (y) => low + ((bottom - y) / (bottom - top)) * (high - low);
  }

  price(ticks) {
    return fixed(ticks * this.terms.tick, this.terms.decimals);
  }

  clock(at, seconds) {
    const local = new Date(at + this.terms.ahead).toISOString();
    return local.slice(11, seconds ? 19 : 16);
  }

  clip(work) {
    const { left, right, top, bottom } = this.plot;
    this.ink.save();
    this.ink.beginPath();
    this.ink.rect(left, top - 6, right - left, bottom - top + 6);
    this.ink.clip();
    work();
    this.ink.restore();
  }

  grid(last) {
    const { ink, colors } = this;
    const { left, right, top, bottom } = this.plot;
    ink.font = `10px ${colors.mono}`;
    ink.strokeStyle = colors.line;
    ink.lineWidth = 0.5;
    ink.fillStyle = colors.dim;
    ink.textAlign = "left";
    const step = roundStep((this.high - this.low) / Math.max(2, (bottom - top) / 34));
    for (let ticks = Math.ceil(this.low / step) * step; ticks <= this.high; ticks += step) {
      const y = Math.round(this.y(ticks)) + 0.5;
      this.stroke([[left, y], [right, y]]);
      if (last === null || Math.abs(y - this.y(last)) > 12) ink.fillText(this.price(ticks), right + 5, y);
    }
    this.times();
    ink.strokeStyle = colors.line;
    ink.lineWidth = 1;
    this.stroke([[right + 0.5, top - 6], [right + 0.5, bottom + 0.5], [left, bottom + 0.5]]);
  }

  times() {
    const { ink, scene, terms } = this;
    const { left, right, top, bottom } = this.plot;
    const least = ((scene.end - scene.start) / 1000) * (74 / (right - left));
    const step = (STEPS_S.find((seconds) => seconds >= least) ?? STEPS_S[STEPS_S.length - 1]) * 1000;
    const first = Math.ceil((scene.start + terms.ahead) / step) * step - terms.ahead;
    ink.textAlign = "center";
    for (let at = first; at < scene.end; at += step) {
      const x = Math.round(this.x(at)) + 0.5;
      this.stroke([[x, top - 6], [x, bottom]]);
      const day = step >= 86400000 || (at + terms.ahead) % 86400000 === 0;
      const text = day ? new Date(at + terms.ahead).toISOString().slice(5, 10) : this.clock(at, step < 60000);
      if (x - left > 22 && right - x > 22) ink.fillText(text, x, bottom + FOOT / 2 + 1);
    }
    ink.textAlign = "left";
    ink.fillText(terms.zone, right + 5, bottom + FOOT / 2 + 1);
  }

  stroke(points) {
    this.ink.beginPath();
    points.forEach(([x, y], i) => (i ? this.ink.lineTo(x, y) : this.ink.moveTo(x, y)));
    this.ink.stroke();
  }

  line(points, color, width) {
    this.ink.strokeStyle = color;
    this.ink.lineWidth = width;
    this.stroke(points.map(([at, ticks]) => [this.x(at), this.y(ticks)]));
  }

  // Up is an outlined body, down a filled one: told apart without colour, too.
  candles() {
    const { ink, colors, scene } = this;
    const half = Math.max(1, Math.floor(WIDTHS[this.zoom] * 0.36));
    ink.lineWidth = 1;
    scene.bars.forEach(([at, open, high, low, close]) => {
      const x = Math.round(this.x(at + scene.step / 2)) + 0.5;
      const up = close >= open;
      const [top, bottom] = [Math.round(this.y(Math.max(open, close))), Math.round(this.y(Math.min(open, close)))];
      ink.strokeStyle = ink.fillStyle = up ? colors.buy : colors.sell;
      this.stroke([[x, this.y(high)], [x, this.y(low)]]);
      const box = [x - half, top + 0.5, 2 * half, Math.max(bottom - top, 0.01)];
      if (up) ink.fillStyle = colors.bg;
      ink.fillRect(...box);
      ink.strokeRect(...box);
    });
  }

  // A value of a bar stands where the bar ends: only then was it known.
  overlay({ points }, color) {
    this.line(points.map(([at, value]) => [at + this.scene.step, value]), color, 1.3);
  }

  stopTrail(stops) {
    const { ink } = this;
    ink.strokeStyle = this.colors.alarm;
    ink.lineWidth = 1.5;
    ink.setLineDash([4, 3]);
    stops.forEach(([at, ticks], i) => {
      if (ticks === null) return;
      const next = stops[i + 1];
      const until = this.x(next ? next[0] : this.scene.end);
      const points = [[this.x(at), this.y(ticks)], [until, this.y(ticks)]];
      if (next && next[1] !== null) points.push([until, this.y(next[1])]);
      this.stroke(points);
    });
    ink.setLineDash([]);
  }

  refusal(at) {
    if (at < this.scene.start) return;
    this.ink.strokeStyle = this.colors.warn;
    this.ink.lineWidth = 1.5;
    const [x, y] = [this.x(at), this.plot.bottom - 5];
    this.stroke([[x - 3, y - 3], [x + 3, y + 3]]);
    this.stroke([[x - 3, y + 3], [x + 3, y - 3]]);
  }

  fill(fill) {
    this.mark(this.x(fill.at), this.y(fill.ticks), fill.kind, fill.side);
  }

  // Entries are triangles that point where they go, stops crosses, other exits diamonds.
  mark(x, y, kind, side) {
    const { ink, colors } = this;
    const color = side === "buy" ? colors.buy : colors.sell;
    const up = side === "buy" ? 1 : -1;
    ink.beginPath();
    if (kind === "entry") {
      ink.moveTo(x, y - 6 * up);
      ink.lineTo(x + 6, y + 5 * up);
      ink.lineTo(x - 6, y + 5 * up);
    } else if (kind === "stop") {
      ink.moveTo(x - 5, y - 5);
      ink.lineTo(x + 5, y + 5);
      ink.moveTo(x - 5, y + 5);
      ink.lineTo(x + 5, y - 5);
      ink.lineWidth = 5;
      ink.strokeStyle = colors.bg;
      ink.stroke();
      ink.lineWidth = 2.5;
      ink.strokeStyle = color;
      ink.stroke();
      return;
    } else {
      ink.moveTo(x, y - 6);
      ink.lineTo(x + 6, y);
      ink.lineTo(x, y + 6);
      ink.lineTo(x - 6, y);
    }
    ink.closePath();
    ink.fillStyle = kind === "entry" ? color : colors.bg;
    ink.strokeStyle = kind === "entry" ? colors.bg : color;
    ink.lineWidth = kind === "entry" ? 1.2 : 2;
    ink.fill();
    ink.stroke();
  }

  // Lines across the chart, each with a tag at the axis; tags give way to each other.
  levels(levels, last) {
    const { colors } = this;
    const looks = {
      entry: [colors.fg, []], stop: [colors.alarm, null], liq: [colors.alarm, [1, 3]],
      order: [colors.dim, [2, 3]], profit: [colors.buy, [2, 3]],
    };
    const tags = levels.filter(({ ticks }) => ticks > this.low && ticks < this.high).map((level) => {
      const [color, dash] = looks[level.kind];
      if (dash) this.across(level.ticks, color, dash);
      return { y: this.y(level.ticks), text: `${level.text} ${this.price(level.ticks)}`, color };
    });
    tags.sort((a, b) => a.y - b.y);
    tags.forEach((tag, i) => {
      if (i) tag.y = Math.max(tag.y, tags[i - 1].y + TAG);
    });
    tags.forEach((tag) => this.tag(tag));
    if (last !== null && last > this.low && last < this.high) this.lastPrice(last);
  }

  across(ticks, color, dash) {
    const { ink } = this;
    const y = Math.round(this.y(ticks)) + 0.5;
    ink.strokeStyle = color;
    ink.lineWidth = 1;
    ink.setLineDash(dash);
    this.stroke([[this.plot.left, y], [this.plot.right, y]]);
    ink.setLineDash([]);
  }

  // Inside the plot, at its left edge: the axis stays free for prices.
  tag({ y, text, color }) {
    const { ink, colors } = this;
    ink.font = `600 9.5px ${colors.sans}`;
    const width = ink.measureText(text).width + 8;
    const middle = Math.min(Math.max(y, this.plot.top), this.plot.bottom - TAG / 2);
    ink.fillStyle = colors.bg;
    ink.strokeStyle = color;
    ink.lineWidth = 1;
    ink.beginPath();
    ink.roundRect(this.plot.left + 0.5, middle - TAG / 2 + 0.5, width, TAG - 1, 3);
    ink.fill();
    ink.stroke();
    ink.fillStyle = color;
    ink.textAlign = "left";
    ink.fillText(text, this.plot.left + 4.5, middle + 0.5);
  }

  lastPrice(ticks) {
    const { ink, colors } = this;
    const y = this.y(ticks);
    this.across(ticks, colors.dim, [1, 2]);
    ink.fillStyle = colors.fg;
    ink.fillRect(this.plot.right + 1, y - 7, AXIS - 2, 14);
    ink.font = `600 10.5px ${colors.mono}`;
    ink.fillStyle = colors.bg;
    ink.textAlign = "left";
    ink.fillText(this.price(ticks), this.plot.right + 5, y + 0.5);
  }

  legend(scene, fills, stops, refused) {
    const { ink, colors } = this;
    ink.font = `10px ${colors.sans}`;
    ink.textAlign = "left";
    let x = this.plot.left + 2;
    const word = (text, sign) => {
      const width = ink.measureText(text).width + 26;
      if (x + width > this.plot.right) return;
      sign(x + 6, 9);
      ink.fillStyle = colors.dim;
      ink.textAlign = "left";
      ink.fillText(text, x + 16, 9.5);
      x += width;
    };
    const bar = (color, dash = []) => (at, y) => {
      ink.strokeStyle = color;
      ink.lineWidth = 2;
      ink.setLineDash(dash);
      this.stroke([[at - 6, y], [at + 6, y]]);
      ink.setLineDash([]);
    };
    scene.overlays.forEach(({ name }, i) => word(name, bar(colors.lines[i % 3])));
    if (stops.some(([, ticks]) => ticks !== null)) word("stop", bar(colors.alarm, [4, 3]));
    const kinds = new Set(fills.map(({ kind }) => kind));
    if (kinds.has("entry")) {
      word("entries", (at, y) => {
        this.small(() => this.mark(at - 5, y, "entry", "buy"), at - 5, y);
        this.small(() => this.mark(at + 4, y, "entry", "sell"), at + 4, y);
      });
    }
    if (kinds.has("stop")) word("stopped", (at, y) => this.small(() => this.mark(at, y, "stop", "sell"), at, y));
    if (["exit", "profit", "other"].some((kind) => kinds.has(kind))) {
      word("exits", (at, y) => this.small(() => this.mark(at, y, "exit", "sell"), at, y));
    }
    if (refused.some((at) => at >= scene.start)) {
      word("refused", (at, y) => {
        ink.strokeStyle = colors.warn;
        ink.lineWidth = 1.5;
        this.stroke([[at - 3, y - 3], [at + 3, y + 3]]);
        this.stroke([[at - 3, y + 3], [at + 3, y - 3]]);
      });
    }
  }

  small(work, x, y) {
    this.ink.save();
    this.ink.translate(x, y);
    this.ink.scale(0.7, 0.7);
    this.ink.translate(-x, -y);
    work();
    this.ink.restore();
  }

  // What lies under the pointer: the bar's prices, a fill's words.
  cross(fills) {
    this.canvas.dataset.under = "";
    if (!this.pointer) return;
    const { ink, colors, scene } = this;
    const { left, right, top, bottom } = this.plot;
    const [x, y] = this.pointer;
    if (x < left || x > right || y < top - 6 || y > bottom) return;
    ink.strokeStyle = colors.dim;
    ink.lineWidth = 0.7;
    ink.setLineDash([2, 2]);
    this.stroke([[x, top - 6], [x, bottom]]);
    this.stroke([[left, y], [right, y]]);
    ink.setLineDash([]);
    const fill = fills.find((row) => Math.hypot(this.x(row.at) - x, this.y(row.ticks) - y) < 9);
    const at = scene.start + ((x - left) / (right - left)) * (scene.end - scene.start);
    const bar = scene.bars.find((row) => at >= row[0] && at < row[0] + scene.step);
    const text = fill
      ? `${this.clock(fill.at, true)}  ${fill.kind}: ${fill.text}`
      : bar
        ? `${this.clock(bar[0], true)}  O ${this.price(bar[1])}  H ${this.price(bar[2])}  L ${this.price(bar[3])}  C ${this.price(bar[4])}`
        : this.clock(at, true);
    this.canvas.dataset.under = text;
    this.box(text, x, y);
  }

  box(text, x, y) {
    const { ink, colors } = this;
    ink.font = `10px ${colors.mono}`;
    const width = ink.measureText(text).width + 10;
    const left = Math.min(Math.max(x + 8, this.plot.left), this.plot.right - width);
    const top = y > this.plot.top + 20 ? y - 22 : y + 8;
    ink.fillStyle = colors.fg;
    ink.fillRect(left, top, width, 16);
    ink.fillStyle = colors.bg;
    ink.textAlign = "left";
    ink.fillText(text, left + 5, top + 8.5);
    ink.fillStyle = colors.fg;
    ink.fillRect(this.plot.right + 1, y - 7, AXIS - 2, 14);
    ink.fillStyle = colors.bg;
    ink.fillText(this.price(this.priceAt(y)), this.plot.right + 5, y + 0.5);
  }
}

function render({ model, el }) {
  el.replaceChildren();
  const root = element("div", "cd cd-panel cd-price", el);
  const head = element("div", "cd-head", root);
  const title = element("span", "cd-title", head);
  const note = element("span", "cd-note", head);
  const zoom = element("span", "cd-zoom", head);
  const label = element("span", "cd-label", head);
  const canvas = element("canvas", "cd-price-canvas", root);
  canvas.setAttribute("role", "img");
  const chart = new PriceCanvas(canvas, root);

  const zoomer = (text, step, words) => {
    const button = element("button", "cd-small", zoom, text);
    button.type = "button";
    button.setAttribute("aria-label", words);
    button.title = words;
    button.addEventListener("click", () => {
      chart.zoom = Math.min(Math.max(chart.zoom + step, 0), WIDTHS.length - 1);
      pulse.wake();
    });
    return button;
  };
  const wider = zoomer("−", -1, "more bars");
  const closer = zoomer("+", 1, "fewer bars");

  const draw = () => {
    const terms = model.get("terms");
    setText(title, terms.symbol ? `${terms.symbol.split(":")[0]} ${terms.timeframe || "last price"}` : "Price");
    setText(note, model.get("note"));
    setText(label, terms.label ?? "");
    label.dataset.label = terms.label ?? "";
    zoom.hidden = !terms.timeframe;
    wider.disabled = chart.zoom === 0;
    closer.disabled = chart.zoom === WIDTHS.length - 1;
    canvas.setAttribute("aria-label", `${terms.symbol} ${terms.timeframe}: ${model.get("note")}`);
    chart.draw(model);
  };
  const pulse = live({ model, el: root, draw });
  const point = (event) => {
    const box = canvas.getBoundingClientRect();
    chart.pointer = event.type === "pointerleave" ? null : [event.clientX - box.left, event.clientY - box.top];
    pulse.wake();
  };
  canvas.addEventListener("pointermove", point);
  canvas.addEventListener("pointerleave", point);
  const sized = new ResizeObserver(() => pulse.wake());
  sized.observe(canvas);
  const themed = onTheme(() => pulse.wake());
  return () => {
    sized.disconnect();
    themed();
    pulse.stop();
  };
}

export default { render };
