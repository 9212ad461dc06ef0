#include "files/StrictJson.h"

#include <set>
#include <vector>

#include "openmmjump/network/files/FileError.h"

using nlohmann::json;
using std::string;
using std::string_view;

namespace JumpPlugin {

namespace {

/** Deeper text is refused: copying and printing JSON recurse, so depth would be stack. */
const int maxDepth = 64;
/** More events are refused: each costs about a hundred bytes, so this bounds the memory a header can ask for. */
const int maxEvents = 1000000;

/** Follows the parser and stops it where the text goes beyond what is allowed. */
class Watcher {
public:
    Watcher(const string& what, const string& file) : what(what), file(file) {}
    bool operator()(int depth, json::parse_event_t event, const json& parsed) {
        if (++events > maxEvents)
            throw FileError(file, what + " has too many entries");
        if (depth > maxDepth)
            throw FileError(file, what + " is nested more than " + std::to_string(maxDepth) + " levels deep");
        if (event == json::parse_event_t::object_start)
            keys.emplace_back();
        if (event == json::parse_event_t::object_end)
            keys.pop_back();
        if (event == json::parse_event_t::key && !keys.back().insert(parsed.get_ref<const string&>()).second)
            throw FileError(file,
                            what + " has the key " + FileError::quote(parsed.get_ref<const string&>()) + " twice");
        return true;
    }

private:
    const string &what, &file;
    int events = 0;
    std::vector<std::set<string>> keys; ///< of each object that is open
};

} // namespace

json parseStrictJson(string_view text, const string& what, const string& file) {
    // The parser takes a NUL for the end of the text and skips a byte order mark: neither is JSON.
    if (text.find('\0') != string_view::npos || text.starts_with("\xef\xbb\xbf"))
        throw FileError(file, what + " is not valid JSON");
    try {
        Watcher watcher(what, file);
        return json::parse(
            text, [&](int depth, json::parse_event_t event, json& parsed) { return watcher(depth, event, parsed); });
    } catch (const json::parse_error& error) {
        throw FileError(file, what + " is not valid JSON (at byte " + std::to_string(error.byte) + ")");
    } catch (const json::exception&) {
        throw FileError(file, what + " holds a number that is too large");
    }
}

} // namespace JumpPlugin
