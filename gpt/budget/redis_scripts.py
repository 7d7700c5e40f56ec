"""The Lua that keeps a fleet's budget in Redis or Valkey: what the server does in one step.

Two keys a day: `figures` (a hash) and `open` (a sorted set of reservations by when they expire). A field of `figures`
is kind, unit (`t` tokens, `m` nano-dollars) and scope (`a` all bots, `b:NAME` one of them):

    st|SCOPE          spent by all books together
    rt|SCOPE          reserved, the sum over `open`
    ct|BOOK|SCOPE     spent by one book (one state folder), as that book last said
    ut|SCOPE          the part of `st` that no book has claimed yet (see below)
    k|BOOK            this book has said what it holds open

A book says what it has spent since the day began, never what came on top, so a call whose answer was lost is simply
made again, and an outage is caught up with by the first call after it. With it the book says what it last knew the
others to have spent: a server that was emptied gets at least that back at once, as `u`, and takes from it what a book
turns out to have been part of when that book calls for the first time. A book that the server does not know is asked
for its open reservations before anything is decided.

A reservation is `BOOK-ID TOKENS MONEY BOT`. One that nobody closed within 15 minutes counts as spent by its book; what
that book says later counts more. Numbers are written with '%.0f': Lua's own way keeps 14 digits; all stay below 2^53.
"""

from __future__ import annotations

_TELL = """
-- KEYS: figures, open. ARGV: 1 book, 2 ms to keep the keys, 3 ms until a reservation expires, 4 bot, 5-12 what all bots
-- and the bot have spent (own t, own m, others' t, others' m), 13 '1' if the open ones are given, 14 how many closed,
-- 15 how many open, then those
local figures, open, book = KEYS[1], KEYS[2], ARGV[1]
local scopes = {'a', 'b:' .. ARGV[4]}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function whole(number) return string.format('%.0f', number) end
local function get(field) return tonumber(redis.call('HGET', figures, field) or '0') end
local function add(field, number)
    if number ~= 0 then redis.call('HINCRBY', figures, field, whole(number)) end
end

local function parts(text)
    local whose, tokens, money, bot = string.match(text, '^(%x+)%-%S+ (%d+) (%d+) (.*)$')
    return whose, {t = tonumber(tokens), m = tonumber(money)}, {'a', 'b:' .. bot}
end
local function reserve(text)
    if redis.call('ZADD', open, 'NX', whole(now + ARGV[3]), text) == 0 then return end
    local _, amount, of = parts(text)
    for _, scope in ipairs(of) do
        for _, unit in ipairs({'t', 'm'}) do add('r' .. unit .. '|' .. scope, amount[unit]) end
    end
end
local function close(text)
    if redis.call('ZREM', open, text) == 0 then return false end
    local _, amount, of = parts(text)
    for _, scope in ipairs(of) do
        for _, unit in ipairs({'t', 'm'}) do add('r' .. unit .. '|' .. scope, -amount[unit]) end
    end
    return true
end

local function tell(unit, scope, own, others)
    local total, loose = 's' .. unit .. '|' .. scope, 'u' .. unit .. '|' .. scope
    local mine = 'c' .. unit .. '|' .. book .. '|' .. scope
    local known = redis.call('HGET', figures, mine)
    local growth = own - tonumber(known or '0')
    if growth > 0 or not known then
        local claimed = known and 0 or math.min(get(loose), growth)
        add(loose, -claimed)
        add(total, growth - claimed)
        redis.call('HSET', figures, mine, whole(own))
    end
    local missing = own + others - get(total)
    if missing > 0 then
        add(total, missing)
        add(loose, missing)
    end
end

if ARGV[13] ~= '1' and redis.call('HEXISTS', figures, 'k|' .. book) == 0 then return {'who'} end
redis.call('HSET', figures, 'k|' .. book, '1')
local at = 15
for number = 1, ARGV[14] do close(ARGV[at + number]) end
at = at + ARGV[14]
for number = 1, ARGV[15] do reserve(ARGV[at + number]) end
at = at + ARGV[15]
for _, text in ipairs(redis.call('ZRANGEBYSCORE', open, '-inf', whole(now), 'LIMIT', 0, 1000)) do
    close(text)
    local whose, amount, of = parts(text)
    for _, scope in ipairs(of) do
        for _, unit in ipairs({'t', 'm'}) do
            add('s' .. unit .. '|' .. scope, amount[unit])
            add('c' .. unit .. '|' .. whose .. '|' .. scope, amount[unit])
        end
    end
end
for number, scope in ipairs(scopes) do
    local from = 4 * number
    tell('t', scope, tonumber(ARGV[from + 1]), tonumber(ARGV[from + 3]))
    tell('m', scope, tonumber(ARGV[from + 2]), tonumber(ARGV[from + 4]))
end

local answer = {'told'}
for _, scope in ipairs(scopes) do
    for _, field in ipairs({'st|', 'sm|', 'ct|' .. book .. '|', 'cm|' .. book .. '|', 'rt|', 'rm|'}) do
        table.insert(answer, whole(get(field .. scope)))
    end
end
"""

_END = """
redis.call('PEXPIRE', figures, ARGV[2])
if redis.call('EXISTS', open) == 1 then redis.call('PEXPIRE', open, ARGV[2]) end
return answer
"""

_ADMIT = """
-- then: the reservation, its tokens and money; for all bots and for the bot: limits of tokens and money ('' for none),
-- and own open
local function admits(unit, scope, limit, asked, own_open)
    if limit == '' then return true end
    limit, asked = tonumber(limit), tonumber(asked)
    local spent = get('s' .. unit .. '|' .. scope)
    local committed = spent + get('r' .. unit .. '|' .. scope)
    return spent < limit and (committed + asked <= limit or (tonumber(own_open) == 0 and committed < limit))
end
local admitted = true
for number, scope in ipairs(scopes) do
    local from = at + 1 + 3 * number
    admitted = admitted and admits('t', scope, ARGV[from], ARGV[at + 2], ARGV[from + 2])
        and admits('m', scope, ARGV[from + 1], ARGV[at + 3], ARGV[from + 2])
end
if admitted then
    answer[1] = 'admitted'
    reserve(ARGV[at + 1])
end
"""

TELL = _TELL + _END
"""What a book has spent and what is over; gives `who` for a book that must say first what it holds open."""
RESERVE = _TELL + _ADMIT + _END
"""The same, and a reservation if it is admitted by the rule of `decide.admit`; figures are those before it."""
CLAIM = """
-- KEYS: figures. ARGV: 1 ms to keep it, 2 what was told
local is_first = redis.call('HSETNX', KEYS[1], 'told|' .. ARGV[2], '1')
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return is_first
"""
"""Whether nobody of the fleet was told of that before."""
