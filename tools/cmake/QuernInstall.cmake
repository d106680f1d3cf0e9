# cmake --install: headers, both libraries, the LLVM module, pkg-config file, CMake package.
include(CMakePackageConfigHelpers)

install(DIRECTORY include/quern DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h" PATTERN "*.def")
install(TARGETS quern_static quern_shared
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})

# What a static libquern needs from outside; the shared one carries its own references.
set(QUERN_PRIVATE_LIBS "-lxxhash -lcjson -lzip -lpthreadpool -lprotobuf-c -ldl -lpthread -lm")
# The file finds its prefix from where it lies, so an installed tree can be moved.
file(RELATIVE_PATH QUERN_PC_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(tools/cmake/quern.pc.in ${CMAKE_BINARY_DIR}/quern.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/quern.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/quern)
configure_package_config_file(tools/cmake/quern-config.cmake.in ${CMAKE_BINARY_DIR}/quern-config.cmake
  INSTALL_DESTINATION ${package} PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/quern-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/quern-config.cmake ${CMAKE_BINARY_DIR}/quern-config-version.cmake DESTINATION ${package})
