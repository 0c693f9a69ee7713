"""contractdesk: a Jupyter-resident console for crypto contract trading."""

__version__ = "0.1.0"
