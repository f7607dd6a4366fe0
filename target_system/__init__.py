"""The record shop: seven small services on which the harness proves itself. See docs/reference/record-shop.md."""
