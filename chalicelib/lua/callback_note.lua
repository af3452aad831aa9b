-- Note a try to tell an outcome.
--
-- ARGV  1 now   2 jobId   3 id   4 status of the answer (0: none)   5 what went wrong ('' when it was told)
--       6 wait until the next try (ms), or '' when there is none
-- Returns {ok} | {unknown}   a newer outcome has taken its place
local entry = unpacked(call('GET', P .. 'callback:' .. ARGV[2]))
if not entry or entry.id ~= ARGV[3] then return {'unknown'} end
local now = time_ms(ARGV[1])
table.insert(entry.tries, {at_ms = now, status = tonumber(ARGV[4]), error = ARGV[5]})
if ARGV[6] == '' then
  entry.over = true
  call('ZREM', P .. 'callbacks', ARGV[2])
else
  call('ZADD', P .. 'callbacks', now + tonumber(ARGV[6]), ARGV[2])
end
call('SET', P .. 'callback:' .. ARGV[2], cmsgpack.pack(entry), 'KEEPTTL')
return {'ok'}
