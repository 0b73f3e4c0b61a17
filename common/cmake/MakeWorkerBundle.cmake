# Script of the target worker-bundle: copies PROGRAMS, LIBRARIES and what they need into BUNDLE.
set(most_bytes 62914560)  # 60 MiB

file(REMOVE_RECURSE "${BUNDLE}")
file(MAKE_DIRECTORY "${BUNDLE}/lib" "${BUNDLE}/programs")

# LibTorch and CUDA come with the torch packages, the driver with the machine.
file(GET_RUNTIME_DEPENDENCIES
  RESOLVED_DEPENDENCIES_VAR needed UNRESOLVED_DEPENDENCIES_VAR missing
  EXECUTABLES ${PROGRAMS} MODULES ${LIBRARIES}
  DIRECTORIES "${TORCH_DIR}/torch/lib"
  PRE_EXCLUDE_REGEXES "^lib(c10|torch|shm|cu(blas|da|dnn|fft|fi|pti|rand|solver|sparse)|nv|nccl|gomp-)" POST_EXCLUDE_REGEXES "^${TORCH_DIR}/")
if(missing)
  message(FATAL_ERROR "no library found for: ${missing}")
endif()
foreach(library IN LISTS needed LIBRARIES)
  get_filename_component(name "${library}" NAME)
  if(name MATCHES "^libicudata\\.so\\.([0-9]+)$")
    # 30 MB of locales behind libarchive's XML parser, for archives (xar) that are never read. ICU does without: a table of
    # its name with nothing in it.
    file(WRITE "${BUNDLE}/no_icu_data.c" "const char icudt${CMAKE_MATCH_1}_dat[64] = {0};\n")
    execute_process(
      COMMAND "${C_COMPILER}" -shared -fPIC "-Wl,-soname,${name}" -o "${BUNDLE}/lib/${name}" "${BUNDLE}/no_icu_data.c"
      COMMAND_ERROR_IS_FATAL ANY)
    file(REMOVE "${BUNDLE}/no_icu_data.c")
  else()
    file(COPY "${library}" DESTINATION "${BUNDLE}/lib" FOLLOW_SYMLINK_CHAIN)
  endif()
endforeach()
# The parts of the C library that only LibTorch asks for must be of the same version.
execute_process(COMMAND "${C_COMPILER}" -print-file-name=libc.so.6
  OUTPUT_VARIABLE libc OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
get_filename_component(libc_dir "${libc}" DIRECTORY)
foreach(name /lib64/ld-linux-x86-64.so.2 libdl.so.2 libpthread.so.0 librt.so.1 libutil.so.1)
  cmake_path(ABSOLUTE_PATH name BASE_DIRECTORY "${libc_dir}")
  file(COPY "${name}" DESTINATION "${BUNDLE}/lib" FOLLOW_SYMLINK_CHAIN)
endforeach()

foreach(program IN LISTS PROGRAMS)
  get_filename_component(name "${program}" NAME)
  file(COPY "${program}" DESTINATION "${BUNDLE}/programs")
  execute_process(COMMAND "${STRIP}" "${BUNDLE}/programs/${name}" COMMAND_ERROR_IS_FATAL ANY)
  # Each program is started by one script, under its own name.
  file(COPY_FILE "${PARTS}/launch" "${BUNDLE}/${name}")
endforeach()
file(COPY "${PARTS}/gpu_checks" "${PARTS}/README.md" DESTINATION "${BUNDLE}")

set(bytes 0)
file(GLOB_RECURSE files LIST_DIRECTORIES false "${BUNDLE}/*")
foreach(file IN LISTS files)
  if(NOT IS_SYMLINK "${file}")
    file(SIZE "${file}" size)
    math(EXPR bytes "${bytes} + ${size}")
  endif()
endforeach()
math(EXPR mebibytes "${bytes} / 1048576")
if(bytes GREATER most_bytes)
  message(FATAL_ERROR "${BUNDLE} takes ${mebibytes} MiB; it must stay below 60")
endif()
message(STATUS "${BUNDLE}: ${mebibytes} MiB")
