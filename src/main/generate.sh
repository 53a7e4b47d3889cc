#!/usr/bin/env bash
# Writes src/main/generated from the annotations of dev.llmworker.serving.llm: run it after you change an option. Maven itself
# needs JDK 25 for it, because the plugin loads the worker's classes.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=$(sed -n 's#.*<camel.version>\(.*\)</camel.version>.*#\1#p' pom.xml)
plugin=org.apache.camel:camel-package-maven-plugin:$version
components=META-INF/services/org/apache/camel/component
mvn -q -B -ntp compile "$plugin:generate-component"
# A subclass of Camel's own component, which is in Camel's list already.
rm -f "src/generated/resources/$components/vertx-websocket"
mvn -q -B -ntp "$plugin:generate-components-list"
rm -rf src/main/generated target/classes/META-INF/jandex.idx "target/classes/$components/vertx-websocket"
mv src/generated src/main/generated
