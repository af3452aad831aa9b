-- Note a try to tell an outcome, or that it had to be put off.
--
-- ARGV  1 now   2 jobId   3 id   4 tries before this one   5 status of the answer (0: none, '' when it was put off)
--       6 what went wrong ('' when it was told)   7 wait until the next try (ms), or '' when there is none
--       8 how long its user's others wait (ms)
-- Returns {ok} (also when it was noted already) | {unknown}   a newer outcome has taken its place
local entry = unpacked(call('GET', P .. 'callback:' .. ARGV[2]))
if entry and entry.id ~= ARGV[3] then call('HDEL', P .. 'callees', entry.user) end
if not entry or entry.id ~= ARGV[3] then return {'unknown'} end
if entry.over or #entry.tries ~= tonumber(ARGV[4]) then return {'ok'} end  -- repeated, or from a courier that was late
local now = time_ms(ARGV[1])
if ARGV[5] ~= '' then table.insert(entry.tries, {at_ms = now, status = tonumber(ARGV[5]), error = ARGV[6]}) end
if tonumber(ARGV[8]) > 0 then
  call('HSET', P .. 'callees', entry.user, now + tonumber(ARGV[8]))
else
  call('HDEL', P .. 'callees', entry.user)
end
local ttl = CALLBACK_TTL
if ARGV[7] == '' then
  entry.over, entry.body, ttl = true, nil, DAY
  call('ZREM', P .. 'callbacks', ARGV[2])
else
  call('ZADD', P .. 'callbacks', now + tonumber(ARGV[7]), ARGV[2])
end
call('SET', P .. 'callback:' .. ARGV[2], cmsgpack.pack(entry), 'EX', ttl)
return {'ok'}
