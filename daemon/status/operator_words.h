#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace breakwater {

// What would happen to a client, in words, of the answer to `explain` as it is
// otherwise complete. Until it is known whom the enforcer protects nobody is
// judged.
std::string Summary(const nlohmann::json& answer, bool observe,
                    bool protection_known);
// The same of a client that says the name and of which nothing else is known.
std::string NameSummary(const nlohmann::json& answer, bool observe);

// Why nobody is given the reply that the answer, or that about a name, shows;
// null if he is.
nlohmann::json WhyNoReply(const nlohmann::json& answer, bool observe,
                          bool protection_known = true);

}  // namespace breakwater
