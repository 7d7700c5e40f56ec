"""The formula in Lua: what Redis or Valkey does in one step, by its own clock.

One key holds the state as six numbers in one text; it goes by itself a minute after all in it is over. Numbers are
written with '%.0f': Lua's own way keeps 14 digits.
"""

from __future__ import annotations

from gpt.gate.formula import AHEAD, CLOCK_STEP

KEY = "gavat:gate:{%s}"
"""The braces are a hash tag, so that what is kept for one API key lies on one node of a cluster."""

FORMULA = f"""
local function later(moment, rest, now) return rest > 0 and math.max(moment, now + rest) or moment end

-- the state of six numbers, or none; ARGV from 1: slots, interval, charge, owed, pause, back, mark, patience;
-- and what is known: life, serial, expected, tat, tokens, paused
local function decide(state, now)
    local arg = {{}}
    for at, text in ipairs(ARGV) do arg[at] = tonumber(text) end
    local slots, interval, charge, owed, pause, back, mark, patience = unpack(arg, 1, 8)
    local known_life, known_serial, expected, known_tat, known_tokens, known_paused = unpack(arg, 9, 14)
    if #state ~= 6 then
        state = {{now, now, 0, now, math.max(now, known_life + 1), math.max(now, known_serial + 1)}}
    end
    local tat, tokens, paused, last, life, serial = unpack(state)

    local ahead = math.max(last - now, 0)
    local is_older = serial < known_serial or now - expected > {CLOCK_STEP}
    if ahead > 0 or (known_life == life and is_older) then
        tat, tokens, paused, life = tat - ahead, tokens - ahead, paused - ahead, math.max(now, life + 1)
    end
    if known_life ~= life then
        tat = later(tat, known_tat, now)
        tokens = later(tokens, known_tokens, now)
        paused = later(paused, known_paused, now)
    end

    if mark == serial then tat = tat - back end
    tokens = math.max(now, math.max(tokens, now) + owed)
    local changed = pause > 0 and now + pause > paused
    if changed then paused = now + pause end

    local first, granted = math.max(now, tat, tokens, paused), 0
    if first - now <= patience then
        granted = slots
        if interval > 0 then
            granted = math.min(slots, 1 + math.floor(math.max({AHEAD} - (first - now), 0) / interval))
        end
    end
    if granted > 0 then
        tat = first + granted * interval
        tokens = math.max(tokens, first + charge)
    end
    if granted > 0 or changed then serial = math.max(serial + 1, now) end
    return {{tat, tokens, paused, now, life, serial}},
        {{granted, first - now, tat - now, tokens - now, paused - now, now, life, serial}}
end

local function whole(numbers)
    local texts = {{}}
    for at, number in ipairs(numbers) do texts[at] = string.format('%.0f', number) end
    return texts
end

local function numbers(text)
    local found = {{}}
    for number in string.gmatch(text, '%-?%d+') do found[#found + 1] = tonumber(number) end
    return found
end
"""

RESERVE = f"""
{FORMULA}
local time = redis.call('TIME')
local state, answer = decide(numbers(redis.call('GET', KEYS[1]) or ''), time[1] * 1000000 + time[2])
local rest = math.max(answer[3], answer[4], answer[5], 0)
redis.call('SET', KEYS[1], table.concat(whole(state), ' '), 'PX', whole({{math.ceil(rest / 1000) + 60000}})[1])
return whole(answer)
"""
"""KEYS[1] the state; ARGV as for the formula; answers the eight numbers of an Answer, as texts."""
