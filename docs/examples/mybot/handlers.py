"""What the bots of a fleet answer; see docs/running.md."""

from telethon import events


async def answer(event):
    """Every private message."""
    await event.reply(f"you said {event.raw_text}")


async def answer_in_turkish(event):
    """For the bots of Turkish shops."""
    await event.reply(f"dediniz ki: {event.raw_text}")


@events.register(events.NewMessage(incoming=True, pattern=r"/hours\b"))
async def hours(event):
    """A command, in private and in groups; the mark says what it is called for."""
    await event.reply("We are open from 9 to 18.")
