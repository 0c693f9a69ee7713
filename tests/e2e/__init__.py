"""The notebook's surface in a real browser: JupyterLab, Debian's chromium, playwright."""
