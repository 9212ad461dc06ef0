#ifndef OPENMMJUMP_NETWORK_JSONOBJECT_H_
#define OPENMMJUMP_NETWORK_JSONOBJECT_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace JumpPlugin {

/**
 * A JSON object whose entries are read with their types checked: every fault names the file, the object and the key.
 */
class JsonObject {
public:
    /**
     * @param value  must outlive this object
     * @param where  what it is, for messages: "its metadata"
     * @param file   name of the file it comes from
     * @throws FileError if the value is not an object
     */
    JsonObject(const nlohmann::json& value, const std::string& where, const std::string& file);

    bool has(const std::string& key) const { return value.contains(key); }
    /** Refuse keys other than these, so that a misspelt one is noticed. */
    void requireOnly(const std::vector<std::string>& known) const;
    const nlohmann::json& get(const std::string& key) const;
    const nlohmann::json& getList(const std::string& key) const;
    JsonObject getObject(const std::string& key) const;
    bool getBool(const std::string& key) const;
    const std::string& getText(const std::string& key) const;
    /** A text that is one of these. */
    const std::string& getChoice(const std::string& key, const std::vector<std::string>& choices) const;
    /** A finite number. */
    double getNumber(const std::string& key) const;
    /** A number above zero. */
    double getPositive(const std::string& key) const;
    std::int64_t getInteger(const std::string& key) const;
    /** Refuse the file because of an entry: "KEY of WHERE FAULT". */
    [[noreturn]] void refuse(const std::string& key, const std::string& fault) const;
    /** The object as JSON text. */
    std::string dump() const { return value.dump(); }

private:
    const nlohmann::json& value;
    std::string where, file;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_NETWORK_JSONOBJECT_H_
