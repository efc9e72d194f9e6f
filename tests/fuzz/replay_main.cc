// Runs every file of the directories named on the command line through the
// fuzzer's function.

#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "tests/fuzz/fuzz.h"

int main(int argc, char** argv) {
  size_t files = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      std::cerr << entry.path().filename().string() << "\n";
      std::ifstream stream(entry.path(), std::ios::binary);
      const std::string content((std::istreambuf_iterator<char>(stream)), {});
      LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(content.data()),
                             content.size());
      ++files;
    }
  }
  if (files == 0) std::cerr << "the corpus is empty\n";
  return files == 0 ? 1 : 0;
}
