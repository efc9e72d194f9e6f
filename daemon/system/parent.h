#pragma once

#include <string>

namespace breakwater {

// The bond between the parent that breakwaterd started as root becomes and its
// children: they end with it, however it ends. Else they would live on without
// anybody to stop them, and a parent that comes later would find their sockets
// in use.

// What the parent puts into a child's environment.
std::string ParentMark();

// For the child: the kernel kills us when the parent that has left its mark
// ends; if it is gone already, we end here. Must be called again after a change
// of user or capabilities, at which the kernel forgets it. Does nothing in a
// program that somebody else has started.
void EndWithParent();

}  // namespace breakwater
