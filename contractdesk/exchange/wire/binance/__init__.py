"""Binance futures, USDⓈ-M and COIN-M, as the exchange speaks them: field names, codes, limits and streams."""
