# A tenant's cloud, as its users would write it down.
terraform {
  required_providers {
    cloudstack = { source = "cloudstack/cloudstack" }
  }
}

variable "zone" {}
variable "template" {}
variable "display" { default = "the web" }

resource "cloudstack_domain" "customers" {
  name           = "tf-customers"
  network_domain = "tf.example.com"
}

resource "cloudstack_role" "operator" {
  name = "tf-operator"
  type = "User"
}

resource "cloudstack_account" "acme" {
  username     = "tf-acme"
  account      = "tf-acme"
  password     = "a-long-password"
  first_name   = "A"
  last_name    = "B"
  email        = "a@example.com"
  account_type = 0
  role_id      = cloudstack_role.operator.id
  domain_id    = cloudstack_domain.customers.id
}

resource "cloudstack_affinity_group" "apart" {
  name = "tf-apart"
  type = "host anti-affinity"
}

resource "cloudstack_ssh_keypair" "laptop" {
  name       = "tf-laptop"
  public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGdsqVHMk2pHiVUXxh5DwUTRhmaHyF1YIhyqpXjWfBXl me"
}

resource "cloudstack_security_group" "front" {
  name        = "tf-front"
  description = "front"
}

resource "cloudstack_security_group_rule" "front" {
  security_group_id = cloudstack_security_group.front.id
  rule {
    cidr_list    = ["192.0.2.0/24"]
    protocol     = "tcp"
    ports        = ["80", "8000-8010"]
    traffic_type = "ingress"
  }
}

resource "cloudstack_user_data" "init" {
  name     = "tf-init"
  userdata = "I2Nsb3VkLWNvbmZpZwo="
}

resource "cloudstack_network" "net" {
  name             = "tf-net"
  cidr             = "10.1.1.0/24"
  network_offering = "DefaultIsolatedNetworkOfferingWithSourceNatService"
  zone             = var.zone
}

resource "cloudstack_instance" "web" {
  name               = "tf-web"
  display_name       = var.display
  service_offering   = "Small Instance"
  network_id         = cloudstack_network.net.id
  template           = var.template
  zone               = var.zone
  keypair            = cloudstack_ssh_keypair.laptop.name
  affinity_group_ids = [cloudstack_affinity_group.apart.id]
  tags               = { role = "web" }
  expunge            = true
}

resource "cloudstack_disk" "data" {
  name               = "tf-data"
  attach             = true
  disk_offering      = "Small"
  virtual_machine_id = cloudstack_instance.web.id
  zone               = var.zone
  tags               = { role = "data" }
}

resource "cloudstack_secondary_ipaddress" "second" {
  virtual_machine_id = cloudstack_instance.web.id
}

resource "cloudstack_ipaddress" "front" {
  network_id = cloudstack_network.net.id
}

resource "cloudstack_firewall" "front" {
  ip_address_id = cloudstack_ipaddress.front.id
  rule {
    cidr_list = ["192.0.2.0/24"]
    protocol  = "tcp"
    ports     = ["80", "1000-2000"]
  }
}

resource "cloudstack_egress_firewall" "out" {
  network_id = cloudstack_network.net.id
  rule {
    cidr_list = ["10.1.1.0/24"]
    protocol  = "tcp"
    ports     = ["443"]
  }
}

resource "cloudstack_port_forward" "ssh" {
  ip_address_id = cloudstack_ipaddress.front.id
  forward {
    protocol           = "tcp"
    private_port       = 22
    public_port        = 2222
    virtual_machine_id = cloudstack_instance.web.id
  }
}

resource "cloudstack_loadbalancer_rule" "http" {
  name          = "tf-http"
  ip_address_id = cloudstack_ipaddress.front.id
  algorithm     = "roundrobin"
  private_port  = 80
  public_port   = 80
  member_ids    = [cloudstack_instance.web.id]
}

resource "cloudstack_ipaddress" "nat" {
  network_id = cloudstack_network.net.id
}

resource "cloudstack_static_nat" "nat" {
  ip_address_id      = cloudstack_ipaddress.nat.id
  virtual_machine_id = cloudstack_instance.web.id
}

resource "cloudstack_vpc" "vpc" {
  name         = "tf-vpc"
  cidr         = "10.20.0.0/16"
  vpc_offering = "Default VPC offering"
  zone         = var.zone
}

resource "cloudstack_network_acl" "acl" {
  name   = "tf-acl"
  vpc_id = cloudstack_vpc.vpc.id
}

resource "cloudstack_network_acl_rule" "acl" {
  acl_id = cloudstack_network_acl.acl.id
  rule {
    action       = "allow"
    cidr_list    = ["192.0.2.0/24"]
    protocol     = "tcp"
    port         = "80"
    traffic_type = "ingress"
  }
  rule {
    action       = "deny"
    cidr_list    = ["198.51.100.0/24"]
    protocol     = "tcp"
    port         = "1000-2000"
    traffic_type = "egress"
  }
}

resource "cloudstack_network" "tier" {
  name             = "tf-tier"
  cidr             = "10.20.1.0/24"
  network_offering = "DefaultIsolatedNetworkOfferingForVpcNetworks"
  vpc_id           = cloudstack_vpc.vpc.id
  acl_id           = cloudstack_network_acl.acl.id
  zone             = var.zone
}

resource "cloudstack_vpn_gateway" "gate" {
  vpc_id = cloudstack_vpc.vpc.id
}

resource "cloudstack_vpn_customer_gateway" "branch" {
  name       = "tf-branch"
  cidr       = "192.168.123.0/24"
  esp_policy = "aes256-sha1;modp1536"
  gateway    = "203.0.113.9"
  ike_policy = "aes256-sha1;modp1536"
  ipsec_psk  = "S3cr3tKey"
}

resource "cloudstack_vpn_connection" "branch" {
  customer_gateway_id = cloudstack_vpn_customer_gateway.branch.id
  vpn_gateway_id      = cloudstack_vpn_gateway.gate.id
}
