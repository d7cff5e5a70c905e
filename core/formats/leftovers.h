#pragma once
// leftovers.h - temporaries of writes that never finished: how they are named, told apart from live ones and removed.
//
// `.NAME.tmp-PID` is NAME being written by process PID, which holds a lock (flock) on it; `.NAME.old-PID` is the NAME that
// it is about to replace, where the file system cannot exchange two directories in one step.

#include <filesystem>
#include <string>
#include <string_view>

namespace plugtune::formats {

/// A name for a temporary of this process beside `target` that does not exist yet. `kind` is "tmp" or "old".
std::filesystem::path temporary_beside(const std::filesystem::path& target, std::string_view kind);

/// Removes the temporaries of `target` whose processes are dead. If one of them died between setting the old `target`
/// aside and putting the new one in its place, the old one is put back first. Never throws.
void remove_leftovers_of(const std::filesystem::path& target) noexcept;

/// The same for every target in `directory`: what a run does before it writes to the directory of a killed one.
/// Returns how many temporaries were removed.
int remove_leftovers_in(const std::filesystem::path& directory) noexcept;

}  // namespace plugtune::formats
