// The person's hand on the ladder: pointing, clicking, dragging, keys. It asks; the kernel checks and acts.
const DRAG_PX = 4;
const STEPS = { ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10 };

class LadderHand {
  constructor({ model, canvas, picture, bar, wake }) {
    Object.assign(this, { model, canvas, picture, bar, wake });
    this.on = false;
    this.hover = null; // ticks
    this.selected = null; // { ticks, side }
    this.drag = null; // { mark, ticks, from, moved }
    this.pressed = null; // an own order whose x is held down
    this.ticket = null;
    this.asked = null; // what was armed last, to arm it again at another price or size
    this.shownAt = 0;
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerleave", () => this.point(null));
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointerup", (event) => this.up(event));
    canvas.addEventListener("pointercancel", () => this.abort());
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  // What the kernel says of the hand.
  update() {
    const { on, ticket } = this.model.get("hand");
    const symbol = this.model.get("terms").symbol;
    if (symbol !== this.symbol) this.selected = this.asked = this.drag = null;
    this.symbol = symbol;
    this.on = Boolean(on);
    if (!this.on) this.drag = this.asked = null;
    if (ticket?.id !== this.ticket?.id) this.shownAt = performance.now();
    this.ticket = ticket?.id && ticket.id !== this.dropped ? ticket : null;
    this.canvas.classList.toggle("cd-trading", this.on);
  }

  send(content) {
    this.model.send({ ...content, seen: this.model.get("seq") });
  }

  // -- tickets ---------------------------------------------------------------------------------

  price(ticks) {
    const terms = this.model.get("terms");
    return fixed(ticks * terms.tick, terms.priceDecimals).replaceAll(",", "");
  }

  arm(asked) {
    this.asked = asked;
    const { symbol } = this;
    const price = this.price(asked.ticks);
    const wish = asked.order
      ? { kind: "move", symbol, order: asked.order, price }
      : { kind: "order", symbol, side: asked.side, price, ...chosen(this.bar) };
    this.send({ arm: wish });
    this.wake();
  }

  // The size or the stop has been changed: the armed ticket follows.
  again() {
    if (this.ticket && this.asked && !this.asked.order) this.arm(this.asked);
  }

  placeable() {
    return Boolean(this.ticket?.ready && !this.ticket.refusal);
  }

  place() {
    if (this.placeable()) this.send({ place: this.ticket.id });
    this.canvas.focus();
  }

  // Gone from the screen at once: the kernel's next picture may be a while away.
  drop() {
    this.send({ drop: true });
    this.dropped = this.ticket?.id;
    this.ticket = this.asked = null;
    this.canvas.focus();
  }

  upper(ticks) {
    return this.picture.best?.ask !== undefined && ticks >= this.picture.best.ask;
  }

  // -- the pointer -----------------------------------------------------------------------------

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  point(ticks) {
    if (this.hover === ticks) return;
    this.hover = ticks;
    this.wake();
  }

  move(event) {
    const [x, y] = this.at(event);
    const row = this.picture.rowAt(y);
    if (this.drag) {
      this.drag.moved ||= Math.abs(y - this.drag.from) > DRAG_PX;
      if (this.drag.moved && row) this.drag.ticks = row.ticks;
      this.wake();
      return;
    }
    const hit = this.picture.hitAt(x, y);
    this.canvas.title = hit ? hit.mark.tip : "";
    const grabs = this.on && hit && (hit.mark.drag || this.picture.isCross(hit, x));
    this.canvas.style.cursor = !this.on ? "" : grabs ? (this.picture.isCross(hit, x) ? "pointer" : "grab") : row ? "crosshair" : "";
    this.point(hit ? null : row?.ticks ?? null);
  }

  down(event) {
    if (event.button !== 0) return;
    const [x, y] = this.at(event);
    const hit = this.picture.hitAt(x, y);
    if (!hit || !this.on) return;
    if (this.picture.isCross(hit, x)) {
      this.pressed = hit.mark.id;
    } else if (hit.mark.drag) {
      this.drag = { mark: hit.mark, ticks: hit.mark.ticks, from: y, moved: false };
      this.canvas.setPointerCapture(event.pointerId);
    }
  }

  up(event) {
    const [x, y] = this.at(event);
    const { drag, pressed } = this;
    const hit = this.picture.hitAt(x, y);
    this.drag = this.pressed = null;
    this.wake();
    if (pressed) {
      if (hit?.mark.id === pressed && this.picture.isCross(hit, x)) this.send({ cancel: pressed });
    } else if (drag?.moved) {
      if (drag.ticks !== drag.mark.ticks) this.arm({ order: drag.mark.id, ticks: drag.ticks });
    } else if (hit) {
      this.selected = { ticks: hit.mark.ticks, side: hit.mark.side };
    } else if (event.button === 0) {
      this.pick(this.picture.rowAt(y));
    }
  }

  abort() {
    this.drag = this.pressed = null;
    this.wake();
  }

  // A bid is bought at, an ask is sold at.
  pick(row) {
    if (!row) return;
    this.selected = { ticks: row.ticks, side: row.ask ? "sell" : "buy" };
    if (this.on) this.arm(this.selected);
  }

  // -- keys ------------------------------------------------------------------------------------

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (this.heard(event)) {
      event.preventDefault();
      event.stopPropagation();
      this.wake();
    }
  }

  heard(event) {
    switch (event.key) {
      case "ArrowUp":
      case "ArrowDown":
      case "PageUp":
      case "PageDown":
        return this.step(STEPS[event.key]);
      case "Home":
        return this.select(this.picture.best?.ask, "sell");
      case "End":
        return this.select(this.picture.best?.bid, "buy");
      case "Enter":
        return event.repeat || this.confirm();
      case "Delete":
      case "Backspace":
        return event.repeat || this.cancelHere();
      case "Escape":
        return this.release();
      default:
        return false;
    }
  }

  select(ticks, side) {
    if (ticks !== undefined) this.selected = { ticks, side };
    return true;
  }

  step(by) {
    const { best } = this.picture;
    if (!best) return true;
    if (this.ticket && this.asked) {
      this.arm({ ...this.asked, ticks: this.asked.ticks + by });
      this.selected = this.asked.side ? { ticks: this.asked.ticks, side: this.asked.side } : null;
      return true;
    }
    if (!this.selected) return by > 0 ? this.select(best.ask, "sell") : this.select(best.bid, "buy");
    const ticks = Math.round(this.selected.ticks) + by;
    const side = ticks >= best.ask ? "sell" : ticks <= best.bid ? "buy" : this.selected.side;
    return this.select(ticks, side);
  }

  confirm() {
    if (this.ticket) {
      if (performance.now() - this.shownAt > ENTER_MS) this.place();
    } else if (this.selected) {
      this.arm(this.selected); // with Trade off the kernel says so
    }
    return true;
  }

  cancelHere() {
    const here = this.model.get("marks").filter((mark) => mark.kind === "order" && mark.ticks === this.selected?.ticks);
    here.forEach((mark) => this.send({ cancel: mark.id }));
    return true;
  }

  release() {
    if (this.drag) this.abort();
    else if (this.ticket) this.drop();
    else if (this.selected) this.selected = null;
    else return false;
    return true;
  }

  escape(event) {
    if (event.key !== "Escape" || !this.release()) return;
    event.preventDefault();
    event.stopPropagation();
  }
}

