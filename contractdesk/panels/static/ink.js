// For panels that draw on a canvas: a sharp surface in the theme's colours, and numbers from integers.
function grouped(digits) {
  return digits.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

// `units` of the last of `decimals` digits as text: no float is ever printed.
function fixed(units, decimals) {
  const text = String(Math.abs(Math.round(units))).padStart(decimals + 1, "0");
  const whole = grouped(text.slice(0, text.length - decimals));
  return (units < -0.5 ? "−" : "") + (decimals ? `${whole}.${text.slice(-decimals)}` : whole);
}

function palette(el) {
  const style = getComputedStyle(el);
  const of = (name) => style.getPropertyValue(name).trim();
  return {
    fg: of("--cd-fg"), dim: of("--cd-dim"), line: of("--cd-line"), bg: of("--cd-bg"), bg2: of("--cd-bg2"),
    buy: of("--cd-buy"), sell: of("--cd-sell"), alarm: of("--cd-alarm"), warn: of("--cd-warn"),
    on: of("--cd-on"), mono: of("--cd-mono"), sans: of("--cd-sans"),
    lines: [of("--cd-line1"), of("--cd-line2"), of("--cd-line3")],
  };
}

// The canvas cleared and scaled to the screen's pixels; null while it has no room.
function surface(canvas, colors) {
  const box = canvas.getBoundingClientRect();
  if (box.width < 40 || box.height < 40) return null;
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  const ink = canvas.getContext("2d");
  ink.setTransform(ratio, 0, 0, ratio, 0, 0);
  ink.fillStyle = colors.bg;
  ink.fillRect(0, 0, box.width, box.height);
  ink.textBaseline = "middle";
  ink.lineJoin = "round";
  return { ink, width: box.width, height: box.height };
}

// Doubles of a traitlets.Bytes; empty while it has none.
function doubles(view) {
  if (!view || !view.byteLength) return new Float64Array(0);
  return new Float64Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}
