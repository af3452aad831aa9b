-- Record an attempt to deliver an event, or that it was postponed.
--
-- ARGV  1 now   2 jobId   3 id   4 attempts before this one   5 status of the answer (0: none, '': postponed)
--       6 error ('': delivered)   7 time until the next attempt (ms), or '' if there is none
--       8 how long the user's other events wait (ms)
-- Returns {ok} (also if it is recorded already) | {unknown}   a newer event replaced it
local entry = unpacked(call('GET', P .. 'webhook:' .. ARGV[2]))
if entry and entry.id ~= ARGV[3] then call('HDEL', P .. 'webhook_backoff', entry.user) end
if not entry or entry.id ~= ARGV[3] then return {'unknown'} end
if entry.finished or #entry.attempts ~= tonumber(ARGV[4]) then return {'ok'} end  -- repeated, or from a sender that was late
local now = time_ms(ARGV[1])
if ARGV[5] ~= '' then table.insert(entry.attempts, {at_ms = now, status = tonumber(ARGV[5]), error = ARGV[6]}) end
if tonumber(ARGV[8]) > 0 then
  call('HSET', P .. 'webhook_backoff', entry.user, now + tonumber(ARGV[8]))
else
  call('HDEL', P .. 'webhook_backoff', entry.user)
end
local ttl = WEBHOOK_TTL
if ARGV[7] == '' then
  entry.finished, entry.body, ttl = true, nil, DAY
  call('ZREM', P .. 'webhooks', ARGV[2])
else
  call('ZADD', P .. 'webhooks', now + tonumber(ARGV[7]), ARGV[2])
end
call('SET', P .. 'webhook:' .. ARGV[2], cmsgpack.pack(entry), 'EX', ttl)
return {'ok'}
