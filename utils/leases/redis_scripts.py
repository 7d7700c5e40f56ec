"""The Lua that keeps leases in Redis or Valkey: what the server does in one step.

Three kinds of hashes. `gavat:fleet`: whose server it is (`check`, `where`), which life of the server this is (`run_id`,
`epoch`) and whether it is `settled`. `gavat:lease:NAME`: `owner`, `claim`, `generation`, `beat`, `expires_at`
(milliseconds by the server's clock), `ttl`, `place`, `about`, `released`. `gavat:owner:TOKEN`: `renewed`, another text
after each grant and renewal of any of its leases, so that who has watched one of them stand still knows it of all.

A server that has started, or was emptied, may have forgotten leases or restored old ones: each such life is an epoch of
its own, in which nobody is granted anything until one process has watched it for a TTL by its own clock. All live
owners have renewed theirs by then. No clock of the server takes part in that, because a clock may jump just then (a
machine that boots, and gets its time from the network a little later).

Numbers are written with '%.0f': Lua's own way keeps 14 digits. A lease that is held has no expiry of its key,
so a jump of the clock, or eviction under a volatile policy, cannot drop it; one that was given back is kept for 30 days
so that its generation is remembered.
"""

from __future__ import annotations

FLEET_KEY = "gavat:fleet"
LEASE_KEY = "gavat:lease:"

_BEGIN = """
-- KEYS[1] fleet; ARGV: 1 a new epoch's name, 2 the epoch watched long enough, 3 check, 4 where, 5 owner, 6 ttl
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
if not run_id then return redis.error_reply('INFO server tells no run_id') end
local fleet = redis.call('HMGET', KEYS[1], 'run_id', 'epoch', 'settled', 'check', 'where')
local epoch, settled = fleet[2], fleet[3] == '1'
if fleet[1] ~= run_id or not epoch then
    epoch, settled = ARGV[1], false
    redis.call('HSET', KEYS[1], 'run_id', run_id, 'epoch', epoch, 'settled', '0')
elseif not settled and epoch == ARGV[2] then
    settled = true
    redis.call('HSET', KEYS[1], 'settled', '1')
end
local unsettled = settled and '' or epoch

local function whole(number) return string.format('%.0f', number) end

local function register()
    if not fleet[4] then redis.call('HSET', KEYS[1], 'check', ARGV[3], 'where', ARGV[4]) end
end

-- Whoever has watched one of the owner's leases stand still must begin anew: it lives
local function be_alive()
    redis.call('HSET', 'gavat:owner:' .. ARGV[5], 'renewed', ARGV[1])
    redis.call('PEXPIRE', 'gavat:owner:' .. ARGV[5], '2592000000')
end

local function hold(key, generation, claim, beat, place, about)
    redis.call('HSET', key, 'owner', ARGV[5], 'ttl', ARGV[6], 'expires_at', whole(now + ARGV[6]), 'released', '0',
        'generation', generation, 'claim', claim, 'beat', beat, 'place', place, 'about', about)
    redis.call('PERSIST', key)
end
"""

_JUDGE = """
-- KEYS[2] lease; ARGV: 7 claim, 8 place, 9 about, 10 the record watched unchanged long enough, 11 the owners watched so
if fleet[4] and fleet[4] ~= ARGV[3] then return {'foreign', unsettled, fleet[5] or ''} end
if not settled then return {'settling', unsettled} end
local names = {'owner', 'claim', 'generation', 'beat', 'released', 'place', 'expires_at', 'ttl', 'about'}
local lease = {}
for at, value in ipairs(redis.call('HMGET', KEYS[2], unpack(names))) do lease[names[at]] = value end
local seen = table.concat({tostring(lease.owner), tostring(lease.generation), tostring(lease.beat)}, ':')
local owner = ''
if lease.owner then
    owner = lease.owner .. ':' .. (redis.call('HGET', 'gavat:owner:' .. lease.owner, 'renewed') or '')
end

local function is_free()
    if not lease.owner then return true end
    if lease.owner == ARGV[5] then
        -- An earlier claim of the same owner is a request that arrives late: nobody waits for its answer any more
        local later = tonumber(ARGV[7]) - tonumber(lease.claim)
        return later > 0 or (later == 0 and lease.released == '0')
    end
    -- Of the same place: the caller holds that machine's lock, so the former holder is dead
    local stands_still = seen == ARGV[10] or string.find(ARGV[11], owner .. ' ', 1, true)
    return lease.released == '1' or lease.place == ARGV[8] or stands_still
end

if not is_free() then
    return {'held', '', seen, lease.ttl, whole(lease.expires_at - now), lease.about, owner}
end
"""

LOOK = f"""{_BEGIN}{_JUDGE}
return {{'free', ''}}
"""
"""What ACQUIRE would answer, granting nothing."""

ACQUIRE = f"""{_BEGIN}{_JUDGE}
local generation = lease.generation
if lease.owner ~= ARGV[5] or lease.claim ~= ARGV[7] then
    generation = whole(math.max((tonumber(generation) or 0) + 1, now))
end
register()
be_alive()
hold(KEYS[2], generation, ARGV[7], '0', ARGV[8], ARGV[9])
return {{'granted', '', generation}}
"""
"""Answers `{verdict, epoch unless settled, …}`: `granted` a generation; `held` what was seen, the owner's TTL and the
rest of it in ms, who it is, and what was seen of the owner; `settling`; `foreign` where.

A generation is never below the server's clock, so an emptied server does not begin again at one. Which fleet the
server belongs to is written here only when it is settled: until then the live owners' renewals have the word.
"""

RENEW = f"""{_BEGIN}
-- KEYS[2…] leases; ARGV from 7, for each: generation, claim, beat, place, about, whether it may be restored
register()
be_alive()

local function renew(key, at)
    local generation, claim = ARGV[at], ARGV[at + 1]
    local lease = redis.call('HMGET', key, 'owner', 'generation', 'claim', 'released', 'about')
    local mine = lease[1] == ARGV[5] and lease[2] == generation and lease[3] == claim
    if mine and lease[4] == '0' then
        redis.call('HSET', key, 'beat', ARGV[at + 2], 'expires_at', whole(now + ARGV[6]))
        return 'kept', ''
    end
    -- Once it is settled, whoever stands there has got it while nothing was heard from the one who asks
    local forgotten = not lease[1] or (not settled and tonumber(lease[2]) < tonumber(generation))
    if forgotten and ARGV[at + 5] == '1' then
        hold(key, generation, claim, ARGV[at + 2], ARGV[at + 3], ARGV[at + 4])
        return 'kept', ''
    end
    return 'lost', (mine or forgotten) and '' or lease[5]
end

local answer = {{'renewed', unsettled}}
for number = 2, #KEYS do
    local ran, verdict, about = pcall(renew, KEYS[number], 7 + (number - 2) * 6)
    answer[#answer + 1] = ran and verdict or 'unknown'
    answer[#answer + 1] = ran and about or ''
end
return answer
"""
"""Answers `{'renewed', epoch unless settled}`, then two texts for each lease: `kept`, `lost`, or
`unknown` where something else lies in its place, and who has it now.
"""

RELEASE = """
-- KEYS[1] lease; ARGV: 1 owner, 2 claim, 3 how long its generation is remembered, in ms
local lease = redis.call('HMGET', KEYS[1], 'owner', 'claim')
if lease[1] ~= ARGV[1] or lease[2] ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'released', '1')
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""
"""Answers 1 when that claim held it, 0 when there was nothing of it to give back."""
