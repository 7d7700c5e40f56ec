"""What a client asks before anything else."""

from datetime import timedelta
from typing import Any

from telethon.tl import types

from tests.telegram.methods.registry import Call, method
from tests.telegram.sessions import ADDRESS, DC_ID

DATA_CENTRES = range(1, 6)  # all of them are this server


@method("help.getConfig", needs_login=False)
def get_config(call: Call) -> Any:
    """The configuration; all that Telethon reads of it are the data centres."""
    now = call.world.now()
    return types.Config(
        date=now,
        expires=now + timedelta(hours=1),
        test_mode=False,
        this_dc=DC_ID,
        dc_options=[types.DcOption(number, ADDRESS, call.world.port) for number in DATA_CENTRES],
        dc_txt_domain_name="localhost",
        chat_size_max=200,
        megagroup_size_max=200_000,
        forwarded_count_max=100,
        online_update_period_ms=210_000,
        offline_blur_timeout_ms=5_000,
        offline_idle_timeout_ms=30_000,
        online_cloud_timeout_ms=300_000,
        notify_cloud_delay_ms=30_000,
        notify_default_delay_ms=1_500,
        push_chat_period_ms=60_000,
        push_chat_limit=2,
        edit_time_limit=172_800,
        revoke_time_limit=172_800,
        revoke_pm_time_limit=172_800,
        rating_e_decay=2_419_200,
        stickers_recent_limit=200,
        channels_read_media_period=604_800,
        call_receive_timeout_ms=20_000,
        call_ring_timeout_ms=90_000,
        call_connect_timeout_ms=30_000,
        call_packet_timeout_ms=10_000,
        me_url_prefix="http://localhost/",
        caption_length_max=1_024,
        message_length_max=4_096,
        webfile_dc_id=DC_ID,
    )


@method("help.getNearestDc", needs_login=False)
def get_nearest_dc(_: Call) -> Any:
    """The nearest data centre is this one."""
    return types.NearestDc("XX", DC_ID, DC_ID)
