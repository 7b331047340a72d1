# SPDX-License-Identifier: MIT
# The words in which CMakeLists.txt speaks: outside, layer, port, program, embed, tests.
include(GNUInstallDirs)
find_package(PkgConfig REQUIRED)

option(KENTONGAN_TESTS "build the tests, fuzzers and bench programs" ON)
option(KENTONGAN_FUZZ "build the fuzzers (clang only)" OFF)
set(KENTONGAN_SANITIZE "" CACHE STRING "sanitizers, as -fsanitize takes them")

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

add_library(house INTERFACE)
target_compile_options(house INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow
	-Wstrict-prototypes -Wmissing-prototypes -Werror -fno-omit-frame-pointer)
target_compile_definitions(house INTERFACE _GNU_SOURCE
	KENTONGAN_VERSION="${PROJECT_VERSION}")
target_include_directories(house INTERFACE ${CMAKE_SOURCE_DIR}/lib)
if(KENTONGAN_SANITIZE)
	target_compile_options(house INTERFACE -fsanitize=${KENTONGAN_SANITIZE}
		-fno-sanitize-recover=all)
	target_link_options(house INTERFACE -fsanitize=${KENTONGAN_SANITIZE})
else()
	target_compile_options(house INTERFACE $<$<CONFIG:Release>:-D_FORTIFY_SOURCE=2>
		-fstack-protector-strong)
endif()

function(outside name module)
	pkg_check_modules(${name} REQUIRED IMPORTED_TARGET GLOBAL ${module})
	add_library(${name} ALIAS PkgConfig::${name})
endfunction()

# A folder of lib/, or one file of lib/port/, as a static library.
function(room name)
	cmake_parse_arguments(PARSE_ARGV 1 ROOM "" "" "SOURCES;USES;PRIVATE")
	if(ROOM_SOURCES)
		add_library(${name} STATIC ${ROOM_SOURCES})
		target_link_libraries(${name} PUBLIC house ${ROOM_USES} PRIVATE ${ROOM_PRIVATE})
	else()
		add_library(${name} INTERFACE)
		target_link_libraries(${name} INTERFACE house ${ROOM_USES})
	endif()
endfunction()

function(layer name)
	file(GLOB sources CONFIGURE_DEPENDS lib/${name}/*.c)
	room(${name} SOURCES ${sources} ${ARGN})
endfunction()

# A port may be one file, lib/port/X.c, or one file and helpers lib/port/X_*.c.
function(port name)
	cmake_parse_arguments(PARSE_ARGV 1 PORT "" "" "USES;PRIVATE")
	file(GLOB sources CONFIGURE_DEPENDS lib/port/${name}.c lib/port/${name}_*.c)
	room(${name} SOURCES ${sources} USES event base ${PORT_USES} PRIVATE ${PORT_PRIVATE})
endfunction()

# A program without main.c yet is left out.
function(program folder binary)
	cmake_parse_arguments(PARSE_ARGV 2 PROGRAM "" "" "USES;PRIVATE")
	file(GLOB sources CONFIGURE_DEPENDS services/${folder}/*.c)
	if(NOT EXISTS ${CMAKE_SOURCE_DIR}/services/${folder}/main.c)
		return()
	endif()
	add_executable(${folder} ${sources})
	set_target_properties(${folder} PROPERTIES OUTPUT_NAME ${binary})
	target_link_libraries(${folder} PRIVATE house ${PROGRAM_USES} ${PROGRAM_PRIVATE})
	install(TARGETS ${folder} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()

# Put the files of a folder, and some from elsewhere, into a target: see base/embedded.h.
function(embed target folder)
	file(GLOB files CONFIGURE_DEPENDS ${folder}/*)
	list(APPEND files ${ARGN})
	if(NOT TARGET ${target} OR NOT files)
		return()
	endif()
	get_target_property(type ${target} TYPE)
	if(type STREQUAL "INTERFACE_LIBRARY")
		return()
	endif()
	get_filename_component(symbol ${folder} NAME)
	set(output ${CMAKE_BINARY_DIR}/embed/${target}_${symbol}.c)
	add_custom_command(OUTPUT ${output}
		COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} -DSYMBOL=embedded_${symbol}
			"-DFILES=${files}" -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
		DEPENDS ${files} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake VERBATIM)
	target_sources(${target} PRIVATE ${output})
endfunction()

# A library for pages as Maven Central has it, build/page/NAME-VERSION.jar: give the paths of
# the files that are wanted of it.
function(webjar out name version sha256)
	cmake_parse_arguments(PARSE_ARGV 4 JAR "" "" "FILES")
	set(jar ${CMAKE_SOURCE_DIR}/build/page/${name}-${version}.jar)
	if(NOT EXISTS ${jar})
		message(FATAL_ERROR "${name} ${version} is not here yet. Fetch it: tests/run install")
	endif()
	file(SHA256 ${jar} found)
	if(NOT found STREQUAL sha256)
		message(FATAL_ERROR "${jar} is not the file that we know; delete it and fetch it again")
	endif()
	set(folder ${CMAKE_BINARY_DIR}/webjars)
	file(ARCHIVE_EXTRACT INPUT ${jar} DESTINATION ${folder})
	list(TRANSFORM JAR_FILES PREPEND
		${folder}/META-INF/resources/webjars/${name}/${version}/)
	set(${out} ${JAR_FILES} PARENT_SCOPE)
endfunction()

# Each tests/unit/X_test.c is one program and one test named unit.X; it may use every room.
function(unit_tests folder)
	pkg_check_modules(cmocka REQUIRED IMPORTED_TARGET cmocka)
	file(GLOB sources CONFIGURE_DEPENDS ${folder}/*_test.c)
	foreach(source ${sources})
		get_filename_component(name ${source} NAME_WE)
		string(REGEX REPLACE "_test$" "" module ${name})
		test_program(${name} ${source})
		target_link_libraries(${name} PRIVATE PkgConfig::cmocka)
		add_test(NAME unit.${module} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
		set_tests_properties(unit.${module} PROPERTIES TIMEOUT 240)
	endforeach()
endfunction()

# A unit of a service, which no layer has: the test's module, its folder, its parts.
function(unit_parts module folder)
	list(TRANSFORM ARGN PREPEND ${folder}/)
	list(TRANSFORM ARGN APPEND .c)
	target_sources(${module}_test PRIVATE ${ARGN})
endfunction()

function(test_program name source)
	add_executable(${name} ${source})
	set_target_properties(${name} PROPERTIES
		RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
	target_compile_definitions(${name} PRIVATE
		SOURCE_DIR="${CMAKE_SOURCE_DIR}" SHARED_DIR="${CMAKE_SOURCE_DIR}/../shared")
	target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/tests)
	target_link_libraries(${name} PRIVATE run flow avro spool topic table http loop event base
		jansson crypto rdkafka avroc pq sqlite uv mhd Threads::Threads m)
endfunction()

function(fuzzers folder)
	file(GLOB sources CONFIGURE_DEPENDS ${folder}/*_fuzz.c)
	foreach(source ${sources})
		get_filename_component(name ${source} NAME_WE)
		if(KENTONGAN_FUZZ)
			test_program(${name} ${source})
			target_link_options(${name} PRIVATE -fsanitize=fuzzer)
		endif()
	endforeach()
endfunction()

function(bench_programs)
	foreach(folder ${ARGN})
		file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.c)
		foreach(source ${sources})
			get_filename_component(name ${source} NAME_WE)
			test_program(${name} ${source})
		endforeach()
	endforeach()
endfunction()

# Libraries that a test loads before a program's own.
function(preloads folder)
	file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.c)
	foreach(source ${sources})
		get_filename_component(name ${source} NAME_WE)
		add_library(${name} SHARED ${source})
		set_target_properties(${name} PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
		target_link_libraries(${name} PRIVATE ${CMAKE_DL_LIBS})
	endforeach()
endfunction()

function(format_target)
	file(GLOB_RECURSE sources CONFIGURE_DEPENDS lib/*.[ch] services/*.[ch] tests/*.[ch])
	add_custom_target(format COMMAND clang-format -i ${sources} VERBATIM)
endfunction()

function(install_all)
	install(DIRECTORY schemas data DESTINATION ${CMAKE_INSTALL_DATADIR}/kentongan)
	install(DIRECTORY deploy/departments deploy/conf DESTINATION ${CMAKE_INSTALL_DATADIR}/kentongan)
	install_units(deploy/systemd)
endfunction()

# systemd units are written for /usr/local; another prefix, also that of `cmake --install
# --prefix`, is put in its place. The sandbox goes beside each of them.
function(install_units folder)
	file(GLOB units CONFIGURE_DEPENDS ${folder}/*.service)
	foreach(unit ${units})
		get_filename_component(name ${unit} NAME)
		install(CODE "
			file(READ ${unit} text)
			string(REPLACE /usr/local/ \${CMAKE_INSTALL_PREFIX}/ text \"\${text}\")
			file(WRITE ${CMAKE_BINARY_DIR}/systemd/${name} \"\${text}\")")
		install(FILES ${CMAKE_BINARY_DIR}/systemd/${name} DESTINATION lib/systemd/system)
		install(FILES ${folder}/sandbox.conf DESTINATION lib/systemd/system/${name}.d)
	endforeach()
	install(FILES ${folder}/kentongan.sysusers DESTINATION lib/sysusers.d RENAME kentongan.conf)
endfunction()
