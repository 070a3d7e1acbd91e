# make install: the command, the headers, both libraries, graft.pc, a CMake package and the manual page.
install(TARGETS graft RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS graft_static graft_shared
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/graft DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

# From lib[/TRIPLET]/cmake/graft to the headers, so that the tree can be moved.
file(RELATIVE_PATH GRAFT_INCLUDE_FROM_CONFIG ${CMAKE_INSTALL_FULL_LIBDIR}/cmake/graft ${CMAKE_INSTALL_FULL_INCLUDEDIR})
configure_file(cmake/graft.pc.in graft.pc @ONLY)
configure_file(cmake/graft-config.cmake.in graft-config.cmake @ONLY)
include(CMakePackageConfigHelpers)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/graft-config-version.cmake
                                 COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/graft.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/graft-config.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/graft-config-version.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/graft)

add_custom_command(OUTPUT graft.1 COMMAND graft help --man > graft.1 DEPENDS graft VERBATIM)
add_custom_target(manual ALL DEPENDS graft.1)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/graft.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
