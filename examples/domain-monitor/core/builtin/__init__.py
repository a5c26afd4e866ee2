"""The built-in pages: features like any other, made with the public API; the spine mounts them."""
