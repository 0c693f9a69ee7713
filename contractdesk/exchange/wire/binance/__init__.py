"""Binance USDⓈ-M futures as the exchange speaks it: field names, codes, limits and streams."""
