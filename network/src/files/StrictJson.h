#ifndef OPENMMJUMP_NETWORK_STRICTJSON_H_
#define OPENMMJUMP_NETWORK_STRICTJSON_H_

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace JumpPlugin {

/**
 * Parse JSON text that a stranger may have written: UTF-8 only, bounded depth and number of entries, no key twice,
 * nothing after the value.
 *
 * @param text  the JSON text
 * @param what  what it is, for messages: "its header"
 * @param file  name of the file it comes from
 * @throws FileError naming the file and the fault
 */
nlohmann::json parseStrictJson(std::string_view text, const std::string& what, const std::string& file);

} // namespace JumpPlugin

#endif // OPENMMJUMP_NETWORK_STRICTJSON_H_
