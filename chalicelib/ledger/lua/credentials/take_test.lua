-- Take the oldest test that waits. A worker that dies loses it: its caller sees `pending`, and may ask again.
--
-- Returns {none} | {test, credential, id of the test, URL}
local text = call('LPOP', P .. 'credential_tests')
if not text then return {'none'} end
local test = cjson.decode(text)
return {'test', test[1], test[2], test[3]}
