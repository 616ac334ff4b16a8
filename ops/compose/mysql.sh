#!/bin/bash
# The table and leadstream's account; the MySQL image runs this once, on an empty data folder. It is sourced, so it
# changes no option of the shell.
mysql --user=root --password="$(cat /run/secrets/mysql-root-password)" <<SQL
CREATE DATABASE IF NOT EXISTS crm;
CREATE TABLE IF NOT EXISTS crm.leads (
    id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY,
    first_name VARCHAR(40), last_name VARCHAR(80), company VARCHAR(255), email VARCHAR(120)
) CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS 'leadstream'@'%' IDENTIFIED BY '$(cat /run/secrets/mysql-password)' REQUIRE SSL;
GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'leadstream'@'%';
GRANT SELECT ON crm.leads TO 'leadstream'@'%';
SQL
