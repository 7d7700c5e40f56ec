"""General tools that could be pasted into another project; nothing here knows of sessions or Telegram fleets."""
