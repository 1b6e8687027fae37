"""One page for a browser that shows what a study has measured, made of tables and images."""
