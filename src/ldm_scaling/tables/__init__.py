"""From measured cells to tidy tables: each module is pure pandas, without torch."""
