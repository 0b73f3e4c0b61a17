# skytrain_static_binary(name SOURCES main.cc LIBRARIES skytrain_a skytrain_b … PACKAGES grpc++ …): a stripped executable
# that needs no shared library, not even glibc's. LIBRARIES are our targets, PACKAGES names that pkg-config knows.
# The imported targets of CMake's packages point at shared libraries, so the system's archives are named here one by one;
# within a group their order does not matter.
function(skytrain_static_binary name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBRARIES;PACKAGES" ${ARGN})
  pkg_check_modules(SKYTRAIN_STATIC_${name} REQUIRED ${ARG_PACKAGES})
  set(system)
  foreach(library IN LISTS SKYTRAIN_STATIC_${name}_STATIC_LIBRARIES)
    if(NOT library MATCHES "^(dl|m|rt|pthread)$")
      list(APPEND system "-l${library}")
    endif()
  endforeach()
  list(REMOVE_DUPLICATES system)

  add_executable(${name} ${ARG_SOURCES})
  target_compile_definitions(${name} PRIVATE SKYTRAIN_STATIC)
  target_link_libraries(${name} PRIVATE skytrain_options)
  # --no-warnings: glibc warns of getaddrinfo and getpwuid within gRPC, which a static program must not rely on. Names
  # are resolved by c-ares, and the client asks for no user's name.
  target_link_options(${name} PRIVATE -static -no-pie -s -Wl,--gc-sections -Wl,--no-warnings)
  foreach(library IN LISTS ARG_LIBRARIES)
    list(APPEND ours "$<TARGET_FILE:${library}>")
    target_include_directories(${name} SYSTEM PRIVATE
      "$<TARGET_PROPERTY:${library},INTERFACE_INCLUDE_DIRECTORIES>")
  endforeach()
  add_dependencies(${name} ${ARG_LIBRARIES})
  target_link_libraries(${name} PRIVATE -Wl,--start-group ${ours} ${system} -Wl,--end-group)
  set_property(TARGET ${name} PROPERTY LINK_DEPENDS ${ours})
endfunction()
