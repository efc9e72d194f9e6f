# The spam wave of contrib/demo.sh and wave.sh. It includes nothing of the
# project's: who measures a thing should not be made of it.
add_executable(breakwater-wave
  wave.cc wave_address.cc wave_clients.cc wave_connection.cc wave_report.cc)
target_link_libraries(breakwater-wave PRIVATE
  breakwater_options CLI11::CLI11 nlohmann_json::nlohmann_json Threads::Threads)
