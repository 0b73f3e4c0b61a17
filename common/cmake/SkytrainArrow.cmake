# Arrow C++ as imported targets of our own, from the headers and the two libraries of the PyPI wheel pyarrow that
# deploy/install_deps keeps in SKYTRAIN_ARROW_DIR. Debian has none. Only the plug-in libskytrain_parquet.so links it: the
# wheel's libparquet exports OpenSSL's symbols, which must not meet those of a program.
#   skytrain::arrow        libparquet + libarrow
if(NOT EXISTS "${SKYTRAIN_ARROW_DIR}/libparquet.so.2600")
  message(FATAL_ERROR "No Arrow in ${SKYTRAIN_ARROW_DIR}. Run deploy/install_deps, which puts it there, or configure with "
                      "-DSKYTRAIN_WITH_PARQUET=OFF to build without Parquet.")
endif()
add_library(skytrain_arrow INTERFACE)
add_library(skytrain::arrow ALIAS skytrain_arrow)
target_include_directories(skytrain_arrow SYSTEM INTERFACE "${SKYTRAIN_ARROW_DIR}/include")
foreach(library arrow parquet)
  add_library(skytrain_imported_${library} SHARED IMPORTED GLOBAL)
  set_target_properties(skytrain_imported_${library} PROPERTIES
    IMPORTED_LOCATION "${SKYTRAIN_ARROW_DIR}/lib${library}.so.2600" IMPORTED_SONAME "lib${library}.so.2600")
endforeach()
target_link_libraries(skytrain_arrow INTERFACE skytrain_imported_parquet skytrain_imported_arrow)
