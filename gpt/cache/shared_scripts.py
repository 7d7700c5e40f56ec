"""What the shared cache asks of Redis, each whole or not at all (Lua). Every key carries one hash tag, for Cluster.

An entry is `GENERATION BODY`: the generation of invalidations in which its question was asked. An invalidation is a
mark (see `request_key.marks_of`) with the generation it made; it takes back every entry of its mark that is older.
"""

from __future__ import annotations

PREFIX = "{gavat:gpt}:"
GENERATION = PREFIX + "generation"
EPOCH = PREFIX + "epoch"
"""The generation with which counting began: whoever asked before that cannot know what was lost."""
LOG = PREFIX + "invalidations"
LOG_LENGTH = 1000

_TAKEN_BACK = """
local function taken_back(generation, from)
  for index = from, #KEYS do
    local made = redis.call('GET', KEYS[index])
    if made and tonumber(made) > generation then return true end
  end
  return false
end
"""

_BEGUN = """
-- Milliseconds of the server, so that a counter that was lost does not begin below entries that are still there. Its
-- log begins with its first number: who knows an older one knows that something was lost.
local function begun(counter, log, epoch)
  local generation = redis.call('GET', counter)
  if not generation or not redis.call('GET', epoch) then
    local time = redis.call('TIME')
    generation = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
    redis.call('SET', counter, generation)
    redis.call('SET', epoch, generation)
    redis.call('DEL', log)
    redis.call('LPUSH', log, generation .. ' begun')
  end
  return generation
end
"""

FIND = (
    _BEGUN
    + _TAKEN_BACK
    + """
-- KEYS: entry, flight, generation, log, epoch, marks…   ARGV: our token, a flight's life in ms, token waited for or ''
local now = begun(KEYS[3], KEYS[4], KEYS[5])  -- first of all: an error here must not leave a lead behind
local entry = redis.call('GET', KEYS[1])
if entry then
  local generation, body = string.match(entry, '^(%d+) (.*)$')
  if generation and not taken_back(tonumber(generation), 6) then
    return {'entry', body, redis.call('PTTL', KEYS[1]), now}
  end
end
local flight = redis.call('GET', KEYS[2])
if flight then
  local token, failure = string.match(flight, '^(%w+) (.*)$')
  if not token and string.sub(flight, 1, 1) <= string.sub(ARGV[1], 1, 1) then return {'flying', flight} end
  if token and token == ARGV[3] then return {'failed', failure} end
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return {'lead', now}
"""
)
"""Find a reply, or whom to wait for, or take the lead; a failure is told to those alone who waited for it.

A token begins with the priority of who asks: a person does not wait in a batch's queue, but takes the lead from it.
"""

HOLD = """
-- KEYS: flight   ARGV: our token, life in ms
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
"""Keep the lead."""

LAND = (
    _TAKEN_BACK
    + """
-- KEYS: entry, flight, epoch, marks…   ARGV: our token, generation, body or '', its life in ms, word or '', its life
if redis.call('GET', KEYS[2]) == ARGV[1] then
  if ARGV[5] ~= '' then
    redis.call('SET', KEYS[2], ARGV[1] .. ' ' .. ARGV[5], 'PX', ARGV[6])
  else
    redis.call('DEL', KEYS[2])
  end
end
local epoch = tonumber(redis.call('GET', KEYS[3]) or 'inf')
if ARGV[3] ~= '' and epoch <= tonumber(ARGV[2]) and not taken_back(tonumber(ARGV[2]), 4) then
  redis.call('SET', KEYS[1], ARGV[2] .. ' ' .. ARGV[3], 'PX', ARGV[4])
end
return 1
"""
)
"""Give the lead up and store what came of it."""

TAKE_BACK = (
    _BEGUN
    + """
-- KEYS: generation, log, epoch, marks…   ARGV: life of a mark in ms, length of the log, marks…
local text = string.format('%.0f', tonumber(begun(KEYS[1], KEYS[2], KEYS[3])) + 1)
redis.call('SET', KEYS[1], text)
for index = 4, #KEYS do
  redis.call('SET', KEYS[index], text, 'PX', ARGV[1])
  redis.call('LPUSH', KEYS[2], text .. ' ' .. ARGV[index - 1])
end
redis.call('LTRIM', KEYS[2], 0, tonumber(ARGV[2]) - 1)
return text
"""
)
"""Invalidate."""

NEWS = (
    _BEGUN
    + """
-- KEYS: generation, log, epoch   ARGV: generation that is known
local generation = begun(KEYS[1], KEYS[2], KEYS[3])
if generation == ARGV[1] then return {generation, 'all known'} end
local known, marks = tonumber(ARGV[1]), {generation}
-- A number below what is known: another server, or this one from an older snapshot.
if tonumber(generation) < known then return {generation, 'everything'} end
for _, line in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
  local made, mark = string.match(line, '^(%d+) (%w+)$')
  if tonumber(made) <= known then return marks end
  marks[#marks + 1] = mark
end
-- The log does not reach back as far as is known, or what was known is not there any more.
return {generation, 'everything'}
"""
)
"""The marks that were taken back since."""
