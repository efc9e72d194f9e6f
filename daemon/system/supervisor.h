#pragma once

#include <string>
#include <vector>

namespace breakwater {

// A program to be kept running.
struct Child {
  std::string name;               // for the log
  std::vector<std::string> argv;  // [0] is the program's path
};

// Starts the children and keeps them: one that ends is started again after a
// pause that grows from a tenth of a second to half a minute and begins anew
// once the child has lived for a minute. Does nothing else; in particular it
// reads nothing from anyone. SIGHUP is passed on to the children; so are
// SIGTERM and SIGINT, which after ten seconds become SIGKILL. Returns the
// program's exit code once all are gone. Killed itself, it takes along those
// that call EndWithParent.
//
// The only thread of its process. Blocks the signals that it waits for.
int Supervise(const std::vector<Child>& children);

// Where a program of ours stands: beside the one that runs.
std::string SiblingProgram(const std::string& name);

}  // namespace breakwater
