"""Sources: registrar accounts, and what they say we own."""
