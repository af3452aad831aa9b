-- Ask the workers to try a credential.
--
-- ARGV  1 credential   2 a random id of the test   3 URL   4 tests a minute at most   5 waiting tests at most
-- Returns {ok} | {limited, seconds to wait} | {full}
local rate = P .. 'credential_rate:' .. ARGV[1]
if tonumber(call('GET', rate) or 0) >= tonumber(ARGV[4]) then return {'limited', call('TTL', rate)} end
if call('LLEN', P .. 'credential_tests') >= tonumber(ARGV[5]) then return {'full'} end
if call('INCR', rate) == 1 then call('EXPIRE', rate, 60) end
call('RPUSH', P .. 'credential_tests', cjson.encode({ARGV[1], ARGV[2], ARGV[3]}))
call('EXPIRE', P .. 'credential_tests', 120)
return {'ok'}
