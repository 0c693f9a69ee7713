// What every panel shares: draw on `seq`, acknowledge when drawn, say when the kernel is silent or the desk is.
const ACK_MS = 3000; // each one turns JupyterLab's icon to busy and back, which costs a browser memory
const STALE_MS = 3500;

// `stale(ms)`: the panel has words of its own for a silent kernel, and for trouble.
function live({ model, el, draw, stale }) {
  let frame = 0;
  let acknowledged = -ACK_MS;
  let heard = performance.now();

  const acknowledge = (now) => {
    if (!model.get("acknowledges") || now - acknowledged < ACK_MS) return;
    acknowledged = now;
    try {
      model.send({ ack: model.get("seq") });
    } catch {
      // a saved notebook without a kernel: there is nobody to tell
    }
  };
  const paint = () => {
    frame = 0;
    draw();
    acknowledge(performance.now());
  };
  const wake = () => {
    if (!frame) frame = requestAnimationFrame(paint);
  };
  const onSeq = () => {
    heard = performance.now();
    wake();
  };
  const onVisible = () => {
    if (!document.hidden) wake();
  };
  // Where many panels are one screen, the one that acknowledges says it for all.
  const words = stale || !model.get("acknowledges") ? null : element("div", "cd cd-trouble cd-alarm");
  if (words) words.setAttribute("role", "alert");
  const timer = setInterval(() => {
    const silence = performance.now() - heard;
    const trouble = model.get("trouble");
    // A notebook that is read after its kernel's time: nothing is awaited, and no button reaches anybody.
    const gone = el.closest(".jupyter-widgets-disconnected") !== null;
    const isStale = silence > STALE_MS && !document.hidden && !gone && !model.get("closed");
    el.classList.toggle("cd-gone", gone);
    el.classList.toggle("cd-stale", isStale || (Boolean(trouble) && !gone));
    if (words) {
      setText(words, trouble);
      if (!trouble) words.remove();
      else if (!words.isConnected) el.before(words);
    }
    if (stale) stale(isStale ? silence : 0);
  }, 500);

  model.on("change:seq", onSeq);
  document.addEventListener("visibilitychange", onVisible);
  wake();
  return {
    wake,
    stop: () => {
      clearInterval(timer);
      cancelAnimationFrame(frame);
      model.off("change:seq", onSeq);
      document.removeEventListener("visibilitychange", onVisible);
    },
  };
}

function element(tag, className, parent, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  if (parent) parent.appendChild(node);
  return node;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Calls `changed` when JupyterLab (or the system) goes from light to dark or back.
function onTheme(changed) {
  const observer = new MutationObserver(changed);
  observer.observe(document.body, {
    attributes: true,
    attributeFilter: ["data-jp-theme-light", "data-jp-theme-name", "class"],
  });
  const media = window.matchMedia("(prefers-color-scheme: dark)");
  media.addEventListener("change", changed);
  return () => {
    observer.disconnect();
    media.removeEventListener("change", changed);
  };
}

